//! `vaultyard snapshot restore`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use vaultyard_keys::rekey::reinstate;
use vaultyard_model::port::clock::Clock;
use vaultyard_snapshots::folder::Name;
use vaultyard_snapshots::verify::{unlock, verify};

use crate::arguments::Common;
use crate::control::client::Control;
use crate::failure::{Failure, Kind, failed};
use crate::local::login::{self, LoggedIn};
use crate::local::snapshots::shelf;
use crate::progress::Progress;
use crate::snapshots::{IN_PLACE, Leader, keys_of, put_in_place};
use crate::system::SystemClock;
use crate::{local, output, system};

/// What is to be done where that could not be kept.
pub(crate) const OTHER_SHARES: &str = "the data is in place, under shares that are kept, but not as the newest: \
                                       `vaultyard keys rekey` ends this";

const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(
    common: &Common,
    name: &str,
    yes: Option<&str>,
) -> Result<ExitCode, Failure> {
    let name = super::named(name)?;
    let (known, custody) = local::keys::of_state(common).await?;
    let control = local::state::control(common)?;
    control.status().await.map_err(failed)?;
    let (shelf, cluster) = (shelf(&known), &known.document.cluster.name);
    let ring = custody.load_all(cluster).await?;
    let current = &ring.current().header;
    let keys = &current.generation;
    let encryption = &*custody.encryption;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.waiting(format!("the snapshot {name} is verified"));
    let verified = verify(&shelf, &name, cluster, keys, encryption).await;
    progress.end();
    let header = verified.map_err(super::not_sound)?.header;
    keys_of(&ring, &name, header.rekey)?;

    let what = what(&name, cluster.as_str(), &header.taken.to_string());
    output::ask::confirm(&what, cluster.as_str(), yes, 2)?;
    progress.resume();
    let LoggedIn { login, server, client } = login::log_in(&known).await?;
    let opened = unlock(&shelf, &name, cluster, keys, encryption).await;
    let (_, unlocked) = opened.map_err(super::not_sound)?;
    progress.waiting(format!("{server} puts the snapshot in place"));
    let leader = Leader { cluster, server: &server, client: &client, token: &login.token };
    put_in_place(leader, &ring, unlocked).await?;
    progress.waiting("the cluster becomes ready");
    until_ready(&control).await?;
    if header.rekey != current.rekey {
        progress.waiting("the shares of that time are kept as the newest");
        let LoggedIn { login, client, .. } = login::log_in(&known).await?;
        let ports = custody.ports(cluster, client.with_token(&login.token));
        let kept = reinstate(&ports, &ring, header.rekey, SystemClock.now()).await;
        ports.leader.revoke_self().await.ok();
        kept.map_err(|error| failed(error).hint(OTHER_SHARES))?;
    }
    progress.done(format!("{cluster} has the data of {}", header.taken));
    progress.end();
    Ok(ExitCode::SUCCESS)
}

/// What a person is told before it is done.
pub(crate) fn what(name: &Name, cluster: &str, taken: &str) -> String {
    format!(
        "This puts the snapshot {name} in place of all data of the cluster \"{cluster}\". Everything that \
         was written after {taken} is lost, leases and tokens too."
    )
}

async fn until_ready(control: &Control) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        let status = control.status().await.map_err(failed)?;
        if status.phase == "Ready" {
            return Ok(());
        }
        if began.elapsed() >= IN_PLACE {
            return Err(late(&status.reason));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn late(what: &str) -> Failure {
    Failure::text(Kind::NotInTime, format!("not ready within {IN_PLACE:?}: {what}"))
        .hint("`vaultyard why` says what each server waits for; the command can be repeated")
}

//! `vaultyard snapshot restore`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;
use vaultyard_snapshots::verify::{unlock, verify};
use vaultyard_vault::Client;

use crate::arguments::Common;
use crate::control::client::Control;
use crate::failure::{Failure, Kind, failed};
use crate::local::login::{self, LoggedIn};
use crate::local::snapshots::{folder, pieces};
use crate::progress::Progress;
use crate::{local, output, system};

/// The longest that a server may take until what it was given is in place, and the cluster until it is
/// `Ready` with it.
const IN_PLACE: Duration = Duration::from_secs(300);
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
    let (folder, cluster) = (folder(&known), &known.document.cluster.name);
    let ring = custody.load_all(cluster).await?;
    let current = &ring.current().header;
    let keys = &current.generation;
    let encryption = &*custody.encryption;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.waiting(format!("the snapshot {name} is verified"));
    let verified = verify(&folder, &name, cluster, keys, encryption).await;
    progress.end();
    let header = verified.map_err(super::not_sound)?.header;

    let what = format!(
        "This puts the snapshot {name} in place of all data of the cluster \"{cluster}\". Everything that \
         was written after {} is lost, leases and tokens too.",
        header.taken
    );
    output::ask::confirm(&what, cluster.as_str(), yes, 2)?;
    progress.resume();
    let LoggedIn { login, server, client } = login::log_in(&known).await?;
    let opened = unlock(&folder, &name, cluster, keys, encryption).await;
    let (_, unlocked) = opened.map_err(super::not_sound)?;
    progress.waiting(format!("{server} is given the snapshot"));
    let (pieces, reading) = pieces(unlocked);
    let leader = client.with_token(&login.token);
    // The server refuses data under other shares than its own unless it is told that they are known.
    let given = if ring.newest_first().len() > 1 {
        leader.restore_of_other_keys(pieces).await
    } else {
        leader.restore(pieces).await
    };
    given.map_err(|error| failed(error).hint("what the server had is still in place"))?;
    reading.await.map_err(failed)?;
    progress.waiting(format!("{server} puts it in place"));
    until_in_place(&client, &login.token).await?;
    progress.waiting("the cluster becomes ready");
    until_ready(&control).await?;
    progress.done(format!("{cluster} has the data of {}", header.taken));
    progress.end();
    if header.rekey != current.rekey && !common.quiet {
        eprintln!(
            "Its data is under the shares of before the last rekey: `vaultyard keys rekey` makes new ones."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the server knows the token no more: that was made after any snapshot, so whoever still
/// knows it has other data.
async fn until_in_place(client: &Client, token: &Secret) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        match client.with_token(token).look_up_self().await {
            Err(CallError::Refused { status: 403, .. }) => return Ok(()),
            _ if began.elapsed() < IN_PLACE => tokio::time::sleep(PAUSE).await,
            _ => return Err(late("the snapshot is not in place")),
        }
    }
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

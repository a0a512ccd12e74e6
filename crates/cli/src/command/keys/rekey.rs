//! `vaultyard keys rekey`

use std::process::ExitCode;

use vaultyard_keys::rekey::{Ports, RekeyError, Wanted, rekey};
use vaultyard_model::port::clock::Clock;

use super::{NEW_SHARES, new_shares};
use crate::arguments::Common;
use crate::failure::{Failure, Kind, failed};
use crate::local::keys::Custody;
use crate::local::login::{self, LoggedIn};
use crate::local::state::Known;
use crate::progress::Progress;
use crate::system::{SystemClock, SystemRandom};
use crate::{faults, local, output, system};

pub(super) async fn run(
    common: &Common,
    known: &Known,
    custody: &Custody,
    wanted: Wanted,
    yes: Option<&str>,
) -> Result<ExitCode, Failure> {
    let cluster = &known.document.cluster.name;
    local::state::control(common)?.status().await.map_err(failed)?;
    output::ask::confirm(NEW_SHARES, cluster.as_str(), yes, 1)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let LoggedIn { login, server, client } = login::log_in(known).await?;
    progress.waiting(format!("{server} makes new shares"));
    let leader = client.with_token(&login.token);
    let ports = Ports {
        cluster,
        leader,
        store: &*custody.store,
        encryption: &*custody.encryption,
        random: &SystemRandom,
        faults: faults::hook(),
    };
    let made = rekey(&ports, wanted, SystemClock.now()).await;
    leader.revoke_self().await.ok();
    progress.end();
    let header = made.map_err(|error| match error {
        RekeyError::Split { .. } => Failure::text(Kind::BadInput, error.to_string()),
        error => failed(error).hint("the command can be repeated"),
    })?;
    let (shares, threshold) = (header.shares.into(), header.threshold.into());
    output::data(new_shares(shares, threshold, header.recovery))?;
    Ok(ExitCode::SUCCESS)
}

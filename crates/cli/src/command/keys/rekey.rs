//! `vaultyard keys rekey`

use std::process::ExitCode;

use vaultyard_keys::rekey::{RekeyError, Wanted, rekey};
use vaultyard_model::port::clock::Clock;

use super::{NEW_SHARES, new_shares, not_ready};
use crate::arguments::Common;
use crate::failure::{Failure, Kind, failed};
use crate::local::keys::Custody;
use crate::local::login::{self, LoggedIn};
use crate::local::snapshots;
use crate::local::state::Known;
use crate::progress::Progress;
use crate::snapshots::Moment;
use crate::system::SystemClock;
use crate::{local, output, system};

pub(super) async fn run(
    common: &Common,
    known: &Known,
    custody: &Custody,
    wanted: Wanted,
    yes: Option<&str>,
) -> Result<ExitCode, Failure> {
    let cluster = &known.document.cluster.name;
    let status = local::state::control(common)?.status().await.map_err(failed)?;
    if status.phase != "Ready" {
        return Err(not_ready(&status));
    }
    output::ask::confirm(NEW_SHARES, cluster.as_str(), yes, 1)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.waiting("a snapshot is taken first");
    // Where a server dies in the middle of it, the way back is the data of before.
    let (shelf, moment) = (snapshots::shelf(known), Moment::asked(SystemClock.now()));
    let taken = snapshots::take(known, custody, &shelf, moment).await?;
    progress.done(format!("snapshot {}", taken.name));
    let LoggedIn { login, server, client } = login::log_in(known).await?;
    progress.waiting(format!("{server} makes new shares"));
    let ports = custody.ports(cluster, client.with_token(&login.token));
    let made = rekey(&ports, wanted, SystemClock.now()).await;
    ports.leader.revoke_self().await.ok();
    progress.end();
    let header = made.map_err(|error| match error {
        RekeyError::Split { .. } => Failure::text(Kind::BadInput, error.to_string()),
        error => failed(error).hint("the command can be repeated"),
    })?;
    let (shares, threshold) = (header.shares.into(), header.threshold.into());
    output::data(new_shares(shares, threshold, header.recovery))?;
    Ok(ExitCode::SUCCESS)
}

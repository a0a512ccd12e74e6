//! `vaultyard snapshot take`

use std::process::ExitCode;

use vaultyard_model::port::clock::Clock;
use vaultyard_snapshots::take::Taken;

use crate::arguments::Common;
use crate::failure::Failure;
use crate::local::{keys, snapshots};
use crate::progress::Progress;
use crate::snapshots::Moment;
use crate::system::SystemClock;
use crate::{output, system};

pub(super) async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let (known, custody) = keys::of_state(common).await?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.waiting("the leader gives a snapshot");
    let (shelf, moment) = (snapshots::shelf(&known), Moment::asked(SystemClock.now()));
    let taken = snapshots::take(&known, &custody, &shelf, moment).await;
    progress.end();
    let Taken { name, header, meta } = taken?;
    if !common.quiet {
        let place = shelf.describe();
        eprintln!("snapshot of {} up to index {}; kept in {place}", header.server, meta.index);
    }
    output::data(name)?;
    Ok(ExitCode::SUCCESS)
}

//! `vaultyard snapshot take`

use std::process::ExitCode;

use tokio::sync::mpsc;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::server::Server;
use vaultyard_snapshots::file::Header;
use vaultyard_snapshots::take::{self, Taken};

use crate::arguments::Common;
use crate::command::login::{self, LoggedIn};
use crate::failure::{Failure, failed};
use crate::progress::Progress;
use crate::system::{SystemClock, SystemRandom};
use crate::{local, output, system};

/// How many pieces may wait for the disk.
const PIECES: usize = 16;

pub(super) async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let (known, custody) = local::keys::of_state(common).await?;
    let cluster = &known.document.cluster.name;
    // Without the keys it would be worth nothing, and that is better known before.
    let keys = custody.load(cluster).await?;
    let LoggedIn { login, server, client } = login::log_in(&known).await?;
    let version = client.health().await.map_err(failed)?.version;
    let header = Header {
        cluster: cluster.to_string(),
        taken: SystemClock.now(),
        server: server.to_string(),
        version: output::or_dash(version),
        generation: keys.header.generation,
    };
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    progress.waiting(format!("{server} gives a snapshot"));
    let (to, pieces) = mpsc::channel(PIECES);
    let sending = async { client.with_token(&login.token).snapshot(to).await };
    let folder = super::folder(&known);
    let taken =
        take::take(header, sending, pieces, &folder, &*custody.encryption, &SystemRandom).await;
    progress.end();
    // Nobody needs the token any more; it would end by itself.
    client.with_token(&login.token).revoke_self().await.ok();
    let Taken { name, header, meta } = taken.map_err(failed)?;
    if !common.quiet {
        eprintln!(
            "snapshot of {} up to index {}; kept in {}",
            header.server,
            meta.index,
            folder.path().display()
        );
    }
    output::data(name)?;
    Ok(ExitCode::SUCCESS)
}

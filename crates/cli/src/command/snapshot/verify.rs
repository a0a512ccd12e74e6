//! `vaultyard snapshot verify`

use std::process::ExitCode;

use vaultyard_model::port::clock::Clock;
use vaultyard_snapshots::verify::{unlock, verify};

use crate::arguments::{Common, Output};
use crate::failure::{Failure, failed};
use crate::local::rehearsal::{self, Proof};
use crate::local::snapshots;
use crate::progress::Progress;
use crate::snapshots::{Found, Restored, keys_of};
use crate::stops::Stops;
use crate::system::SystemClock;
use crate::{local, output, system};

pub(super) async fn run(
    common: &Common,
    name: Option<&str>,
    restore: bool,
    arguments: &Output,
) -> Result<ExitCode, Failure> {
    let (known, custody) = local::keys::of_state(common).await?;
    let folder = snapshots::folder(&known);
    let name = match name {
        Some(name) => super::named(name)?,
        None => super::newest(&folder)?,
    };
    let cluster = &known.document.cluster.name;
    let ring = custody.load_all(cluster).await?;
    let (generation, encryption) = (&ring.current().header.generation, &*custody.encryption);
    let verified = verify(&folder, &name, cluster, generation, encryption).await;
    let verified = verified.map_err(super::not_sound)?;
    let restored = if restore {
        let unlocked = unlock(&folder, &name, cluster, generation, encryption).await;
        keys_of(&ring, &name, verified.header.rekey)?;
        let progress = Progress::new(common.quiet, system::fancy_terminal());
        let unlocked = unlocked.map_err(super::not_sound)?;
        let mut stops = Stops::listen()?;
        let proof =
            rehearsal::restore_into_another(&known, &ring, unlocked, &mut stops, &progress).await;
        progress.end();
        let Proof { took, mounts } = proof?;
        folder.note_proven(&name, SystemClock.now()).map_err(failed)?;
        Some(Restored { seconds: took.as_secs_f64(), mounts })
    } else {
        None
    };
    output::print(arguments.output, &Found::of(&name, verified, restored), show)?;
    Ok(ExitCode::SUCCESS)
}

/// For eyes.
pub(crate) fn show(found: &Found) -> String {
    [
        format!("Snapshot     {} of the cluster {}", found.name, found.cluster),
        format!("Taken        {} of {} ({})", found.taken, found.server, found.version),
        format!("Up to        index {} (term {})", found.index, found.term),
        format!("Keys         attempt {} ({})", found.attempt, found.intent),
        "Verified     every byte was decrypted and has its checksum".to_owned(),
        match &found.restored {
            None => "Restored     not tried: --restore does".to_owned(),
            Some(Restored { seconds, mounts }) => format!(
                "Restored     in {seconds:.1} s into a throw-away server: the keys of the cluster open it, the \
                 administrator logs in, it has {mounts} secret engines"
            ),
        },
    ]
    .join("\n")
}

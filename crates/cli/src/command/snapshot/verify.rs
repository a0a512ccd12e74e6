//! `vaultyard snapshot verify`

use std::process::ExitCode;

use vaultyard_keys::envelope::Keys;
use vaultyard_keys::stored::KeyRing;
use vaultyard_model::port::clock::Clock;
use vaultyard_snapshots::folder::Name;
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::verify::{Verified, unlock, verify};

use crate::arguments::{Common, Output};
use crate::failure::{Failure, failed};
use crate::local::keys::Custody;
use crate::local::state::Known;
use crate::local::{rehearsal, snapshots};
use crate::progress::Progress;
use crate::snapshots::{Found, Restored, keys_of};
use crate::stops::Stops;
use crate::system::SystemClock;
use crate::{local, output, proving, system};

pub(super) async fn run(
    common: &Common,
    name: Option<&str>,
    restore: bool,
    arguments: &Output,
) -> Result<ExitCode, Failure> {
    let (known, custody) = local::keys::of_state(common).await?;
    let shelf = snapshots::shelf(&known);
    let name = name.map(super::named).transpose()?;
    let ring = custody.load_all(&known.document.cluster.name).await?;
    let name = match name {
        Some(name) => name,
        None => super::newest(&shelf, &ring.current().header.generation).await?.name,
    };
    let found = if restore {
        let keys = |rekey| proving::candidates(&ring, rekey);
        prove(common, (&known, &custody, &shelf), &ring, &name, keys).await?
    } else {
        let verified = decrypt((&known, &custody, &shelf), &ring, &name).await?;
        Found::of(&name, verified, None)
    };
    output::print(arguments.output, &found, show)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads all of it, and holds it against its checksums.
async fn decrypt(
    (known, custody, shelf): (&Known, &Custody, &Shelf),
    ring: &KeyRing,
    name: &Name,
) -> Result<Verified, Failure> {
    let (cluster, generation) = (&known.document.cluster.name, &ring.current().header.generation);
    let verified = verify(shelf, name, cluster, generation, &*custody.encryption).await;
    verified.map_err(super::not_sound)
}

/// The same, and restores it into a throw-away server that one of `keys` opens.
pub(crate) async fn prove<'a>(
    common: &Common,
    (known, custody, shelf): (&Known, &Custody, &Shelf),
    ring: &'a KeyRing,
    name: &Name,
    keys: impl FnOnce(Option<u32>) -> Vec<&'a Keys>,
) -> Result<Found, Failure> {
    let verified = decrypt((known, custody, shelf), ring, name).await?;
    keys_of(ring, name, verified.header.rekey)?;
    let (cluster, generation) = (&known.document.cluster.name, &ring.current().header.generation);
    let unlocked = unlock(shelf, name, cluster, generation, &*custody.encryption).await;
    let unlocked = unlocked.map_err(super::not_sound)?;
    let progress = Progress::new(common.quiet, system::fancy_terminal());
    let mut stops = Stops::listen()?;
    let keys = keys(verified.header.rekey);
    let restored =
        rehearsal::restore_into_another(known, &keys, unlocked, &mut stops, &progress).await;
    progress.end();
    let restored = restored?;
    shelf.note_proven(name, SystemClock.now()).await.map_err(failed)?;
    Ok(Found::of(name, verified, Some(restored)))
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
            Some(Restored { seconds, mounts, version }) => format!(
                "Restored     in {seconds:.1} s into a throw-away server of {version}: the keys of the cluster open it, the \
                 administrator logs in, it has {mounts} secret engines"
            ),
        },
    ]
    .join("\n")
}

//! `vaultyard snapshot verify`

use std::process::ExitCode;

use serde::Serialize;
use vaultyard_snapshots::folder::Name;
use vaultyard_snapshots::verify::{Verified, verify};

use crate::arguments::{Common, Output};
use crate::failure::Failure;
use crate::local::snapshots;
use crate::{local, output};

/// What was found, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    name: String,
    cluster: String,
    taken: String,
    server: String,
    version: String,
    index: u64,
    term: u64,
    attempt: u32,
    intent: String,
}

pub(super) async fn run(
    common: &Common,
    name: Option<&str>,
    arguments: &Output,
) -> Result<ExitCode, Failure> {
    let (known, custody) = local::keys::of_state(common).await?;
    let folder = snapshots::folder(&known);
    let name = match name {
        Some(name) => super::named(name)?,
        None => super::newest(&folder)?,
    };
    let cluster = &known.document.cluster.name;
    let keys = custody.load(cluster).await?.header.generation;
    let verified = verify(&folder, &name, cluster, &keys, &*custody.encryption).await;
    let verified = verified.map_err(super::not_sound)?;
    output::print(arguments.output, &found(&name, verified), show)?;
    Ok(ExitCode::SUCCESS)
}

fn found(name: &Name, verified: Verified) -> Found {
    let Verified { header, meta } = verified;
    Found {
        name: name.to_string(),
        cluster: header.cluster,
        taken: header.taken.to_string(),
        server: header.server,
        version: header.version,
        index: meta.index,
        term: meta.term,
        attempt: header.generation.attempt,
        intent: header.generation.intent.to_string(),
    }
}

fn show(found: &Found) -> String {
    [
        format!("Snapshot     {} of the cluster {}", found.name, found.cluster),
        format!("Taken        {} of {} ({})", found.taken, found.server, found.version),
        format!("Up to        index {} (term {})", found.index, found.term),
        format!("Keys         attempt {} ({})", found.attempt, found.intent),
        "Verified     every byte was decrypted and has its checksum; it was not restored"
            .to_owned(),
    ]
    .join("\n")
}

//! `vaultyard keys verify`

use std::process::ExitCode;

use serde::Serialize;
use vaultyard_keys::verify::{Verified, verify};

use crate::arguments::{Common, Output};
use crate::command::snapshot;
use crate::failure::{Failure, Kind, failed};
use crate::local::keys::Custody;
use crate::local::snapshots;
use crate::local::state::Known;
use crate::output;

/// What was found, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    attempt: u32,
    intent: String,
    created: String,
    shares: u8,
    threshold: u8,
    /// Whether they are recovery keys, which unseal nothing.
    recovery: bool,
    /// Which rekey made them, if one did.
    rekey: Option<u32>,
    store: String,
    encryption: String,
    key_beside_data: bool,
    last_unsealed: Option<LastUnsealed>,
    faults: Vec<String>,
    /// The snapshot that they were proven with, if that was asked for.
    proven_by: Option<String>,
}

#[derive(Serialize)]
struct LastUnsealed {
    server: String,
    at: String,
}

pub(super) async fn run(
    common: &Common,
    known: &Known,
    custody: &Custody,
    restore: bool,
    arguments: &Output,
) -> Result<ExitCode, Failure> {
    let name = &known.document.cluster.name;
    let verified = verify(name, &*custody.store, &*custody.encryption, &custody.log);
    let verified = verified.await.map_err(failed)?;
    let sound = verified.faults.is_empty();
    let mut found = Found::from(verified);
    if restore && sound {
        found.proven_by = Some(prove(common, known, custody).await?);
    }
    output::print(arguments.output, &found, show)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has the keys that count, and no others, open the newest snapshot; its name.
async fn prove(common: &Common, known: &Known, custody: &Custody) -> Result<String, Failure> {
    let ring = custody.load_all(&known.document.cluster.name).await?;
    let shelf = snapshots::shelf(known);
    let newest = snapshot::newest(&shelf, &ring.current().header.generation).await?;
    let rekey = newest.header.map_err(failed)?.rekey;
    if rekey != ring.current().header.rekey {
        let what = format!(
            "the newest snapshot, {}, is of the time of other shares, which open it",
            newest.name
        );
        return Err(
            Failure::text(Kind::BadInput, what).hint("take another with `vaultyard snapshot take`")
        );
    }
    let keys = |_| vec![ring.current()];
    let found =
        snapshot::verify::prove(common, (known, custody, &shelf), &ring, &newest.name, keys);
    Ok(found.await?.name)
}

impl From<Verified> for Found {
    fn from(verified: Verified) -> Self {
        let Verified { header, store, custody, last_unsealed, faults } = verified;
        Self {
            attempt: header.generation.attempt,
            intent: header.generation.intent.to_string(),
            created: header.created.to_string(),
            shares: header.shares,
            threshold: header.threshold,
            recovery: header.recovery,
            rekey: header.rekey,
            store,
            encryption: custody.location,
            key_beside_data: custody.key_beside_data,
            last_unsealed: last_unsealed
                .map(|(server, at)| LastUnsealed { server, at: at.to_string() }),
            faults: faults.iter().map(ToString::to_string).collect(),
            proven_by: None,
        }
    }
}

fn show(found: &Found) -> String {
    let good_for = super::good_for(found.recovery);
    let mut lines = vec![
        format!("Shares       {} of which {} {good_for}", found.shares, found.threshold),
        match found.rekey {
            None => format!("Created      {} (attempt {})", found.created, found.attempt),
            Some(rekey) => {
                format!("Created      {} (attempt {}, rekey {rekey})", found.created, found.attempt)
            }
        },
        format!("Store        {}", found.store),
        format!("Encryption   {}", found.encryption),
    ];
    if found.key_beside_data {
        lines.push("             key beside data: for trials".to_owned());
    }
    lines.push(match &found.last_unsealed {
        None if found.recovery => {
            "             recovery keys: the servers' seal opens them".to_owned()
        }
        Some(last) => format!("Last used    unsealed {} at {}", last.server, last.at),
        None => "Last used    not on record".to_owned(),
    });
    if found.faults.is_empty() {
        lines.push("Verified     every share was decrypted and fits the record".to_owned());
    }
    if let Some(snapshot) = &found.proven_by {
        lines.push(format!(
            "Proven       {} of them open a server with the snapshot {snapshot}",
            found.threshold
        ));
    }
    lines.extend(found.faults.iter().map(|fault| format!("FAULT        {fault}")));
    lines.join("\n")
}

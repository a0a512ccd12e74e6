//! `vaultyard keys verify`

use std::process::ExitCode;

use serde::Serialize;
use vaultyard_keys::verify::{Verified, verify};

use crate::arguments::Output;
use crate::failure::{Failure, failed};
use crate::local::keys::Custody;
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
}

#[derive(Serialize)]
struct LastUnsealed {
    server: String,
    at: String,
}

pub(super) async fn run(
    known: &Known,
    custody: &Custody,
    arguments: &Output,
) -> Result<ExitCode, Failure> {
    let name = &known.document.cluster.name;
    let verified = verify(name, &*custody.store, &*custody.encryption, &custody.log);
    let verified = verified.await.map_err(failed)?;
    let sound = verified.faults.is_empty();
    output::print(arguments.output, &Found::from(verified), show)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    lines.extend(found.faults.iter().map(|fault| format!("FAULT        {fault}")));
    lines.join("\n")
}

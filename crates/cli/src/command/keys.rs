//! `vaultyard keys`

mod export;
mod generate_root;
mod verify;

use std::process::ExitCode;

use vaultyard_keys::envelope;
use vaultyard_keys::stored;

use crate::arguments::{Common, Keys};
use crate::failure::{Failure, failed};
use crate::local;
use crate::local::keys::{Custody, Missing};
use crate::local::state::Known;

pub(super) async fn run(common: &Common, keys: &Keys) -> Result<ExitCode, Failure> {
    let known = local::state::known(common)?;
    let paths = known.state.paths();
    let custody = local::keys::open(&known.document.cluster, paths, Missing::Refuse).await?;
    match keys {
        Keys::Verify(output) => verify::run(&known, &custody, output).await,
        Keys::Export { shares, recipients, allow_threshold } => {
            let keys = load(&known, &custody).await?;
            export::run(&keys, *shares, recipients, *allow_threshold)
        }
        Keys::GenerateRoot { yes } => {
            generate_root::run(common, &known, &custody, yes.as_deref()).await
        }
    }
}

/// The keys, decrypted.
async fn load(known: &Known, custody: &Custody) -> Result<envelope::Keys, Failure> {
    let name = &known.document.cluster.name;
    stored::load(name, &*custody.store, &*custody.encryption).await.map_err(failed)
}

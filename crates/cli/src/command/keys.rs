//! `vaultyard keys`

mod export;
mod generate_root;
mod take_over;
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
    match keys {
        Keys::Verify(output) => {
            let (known, custody) = opened(common).await?;
            verify::run(&known, &custody, output).await
        }
        Keys::Export { shares, recipients, allow_threshold } => {
            let (known, custody) = opened(common).await?;
            let keys = load(&known, &custody).await?;
            export::run(&keys, *shares, recipients, *allow_threshold)
        }
        Keys::TakeOver(arguments) => take_over::run(common, arguments).await,
        Keys::GenerateRoot { yes } => {
            let (known, custody) = opened(common).await?;
            generate_root::run(common, &known, &custody, yes.as_deref()).await
        }
    }
}

/// The cluster in the state directory, and where its keys are.
async fn opened(common: &Common) -> Result<(Known, Custody), Failure> {
    let known = local::state::known(common)?;
    let paths = known.state.paths();
    let custody = local::keys::open(&known.document.cluster, paths, Missing::Refuse).await?;
    Ok((known, custody))
}

/// The keys, decrypted.
async fn load(known: &Known, custody: &Custody) -> Result<envelope::Keys, Failure> {
    let name = &known.document.cluster.name;
    stored::load(name, &*custody.store, &*custody.encryption).await.map_err(failed)
}

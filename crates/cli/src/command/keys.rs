//! `vaultyard keys`

mod export;
mod generate_root;
mod rekey;
mod take_over;
mod verify;

use std::process::ExitCode;

use vaultyard_keys::rekey::Wanted;

use crate::arguments::{Common, Keys};
use crate::failure::Failure;
use crate::local;

/// What so many shares do.
fn good_for(recovery: bool) -> &'static str {
    if recovery { "make a root token" } else { "unseal a server" }
}

pub(super) async fn run(common: &Common, keys: &Keys) -> Result<ExitCode, Failure> {
    match keys {
        Keys::Verify(output) => {
            let (known, custody) = local::keys::of_state(common).await?;
            verify::run(&known, &custody, output).await
        }
        Keys::Export { shares, recipients, allow_threshold } => {
            let (known, custody) = local::keys::of_state(common).await?;
            let keys = custody.load(&known.document.cluster.name).await?;
            export::run(&keys, *shares, recipients, *allow_threshold)
        }
        Keys::Rekey { shares, threshold, yes } => {
            let (known, custody) = local::keys::of_state(common).await?;
            let wanted = Wanted { shares: *shares, threshold: *threshold };
            rekey::run(common, &known, &custody, wanted, yes.as_deref()).await
        }
        Keys::TakeOver(arguments) => take_over::run(common, arguments).await,
        Keys::GenerateRoot { yes } => {
            let (known, custody) = local::keys::of_state(common).await?;
            generate_root::run(common, &known, &custody, yes.as_deref()).await
        }
    }
}

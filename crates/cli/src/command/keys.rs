//! `vaultyard keys`

mod export;
mod generate_root;
mod take_over;
mod verify;

use std::process::ExitCode;

use crate::arguments::{Common, Keys};
use crate::failure::Failure;
use crate::local;

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
        Keys::TakeOver(arguments) => take_over::run(common, arguments).await,
        Keys::GenerateRoot { yes } => {
            let (known, custody) = local::keys::of_state(common).await?;
            generate_root::run(common, &known, &custody, yes.as_deref()).await
        }
    }
}

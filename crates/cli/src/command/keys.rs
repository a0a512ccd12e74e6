//! `vaultyard keys`

mod export;
mod generate_root;
mod rekey;
mod take_over;
mod verify;

use std::process::ExitCode;

use vaultyard_keys::rekey::Wanted;

use crate::arguments::{Common, Keys, Target};
use crate::control::wire::Status;
use crate::failure::{Failure, Kind};
use crate::kubernetes::operations;
use crate::local;

/// What a person is told before new shares are made.
pub(crate) const NEW_SHARES: &str = "\
This makes new shares and keeps them. Those that were handed out to people open nothing of the cluster \
any more.";

/// None are made while servers are not as they should be: one that is not there might not learn of them.
pub(crate) fn not_ready(status: &Status) -> Failure {
    let what = format!("the cluster is {}: {}", status.phase, status.reason);
    Failure::text(Kind::Refused, what)
        .hint("new shares are made once every server is as it should be; nothing was changed")
}

/// What is said of them afterwards.
pub(crate) fn new_shares(shares: u64, threshold: u64, recovery: bool) -> String {
    format!("{shares} new shares are kept, of which {threshold} {}.", good_for(recovery))
}

/// What so many shares do.
fn good_for(recovery: bool) -> &'static str {
    if recovery { "make a root token" } else { "unseal a server" }
}

pub(super) async fn run(common: &Common, keys: &Keys) -> Result<ExitCode, Failure> {
    match keys {
        Keys::Verify { restore, output } => {
            let (known, custody) = local::keys::of_state(common).await?;
            verify::run(common, &known, &custody, *restore, output).await
        }
        Keys::Export { shares, recipients, allow_threshold } => {
            let (known, custody) = local::keys::of_state(common).await?;
            let keys = custody.load(&known.document.cluster.name).await?;
            export::run(&keys, *shares, recipients, *allow_threshold)
        }
        Keys::Rekey { shares, threshold, yes } => {
            let wanted = Wanted { shares: *shares, threshold: *threshold };
            if common.target == Target::Kubernetes {
                return operations::rekey(common, wanted, yes.as_deref()).await;
            }
            let (known, custody) = local::keys::of_state(common).await?;
            rekey::run(common, &known, &custody, wanted, yes.as_deref()).await
        }
        Keys::TakeOver(arguments) => take_over::run(common, arguments).await,
        Keys::GenerateRoot { yes } => {
            let (known, custody) = local::keys::of_state(common).await?;
            generate_root::run(common, &known, &custody, yes.as_deref()).await
        }
    }
}

//! `vaultyard keys export`

use std::process::ExitCode;

use vaultyard_keys::envelope::Keys;
use vaultyard_keys::export::{Export, export};

use crate::failure::{Failure, bad_input};
use crate::output;

pub(super) fn run(
    keys: &Keys,
    shares: u8,
    recipients: &[String],
    allow_threshold: bool,
) -> Result<ExitCode, Failure> {
    let wanted = Export { shares: usize::from(shares), recipients, allow_threshold };
    for share in export(keys, wanted).map_err(bad_input)? {
        output::data(format!("share {} for {}", share.number, share.recipient))?;
        output::data(share.armored.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

//! `vaultyard dns`

use std::process::ExitCode;

use crate::arguments::{Common, Output};
use crate::failure::{Failure, failed};
use crate::{local, output};

pub(super) async fn run(common: &Common, arguments: &Output) -> Result<ExitCode, Failure> {
    let records = local::state::control(common)?.records().await.map_err(failed)?;
    output::print(arguments.output, &records, |records| {
        let row = |record: &crate::control::wire::Record| {
            vec![
                record.name.clone(),
                record.ttl.to_string(),
                record.kind.clone(),
                record.value.clone(),
            ]
        };
        output::table(&["NAME", "TTL", "TYPE", "VALUE"], records.iter().map(row).collect())
    })?;
    Ok(ExitCode::SUCCESS)
}

//! `vaultyard why`

use std::process::ExitCode;

use crate::arguments::Common;
use crate::failure::Failure;
use crate::output;
use crate::source::Source;

pub(super) async fn run(common: &Common, server: Option<&str>) -> Result<ExitCode, Failure> {
    let status = Source::of(common).await?.status().await?;
    let names: Vec<&str> = status.servers.iter().map(|server| server.name.as_str()).collect();
    output::servers::refuse_unknown(&names, server)?;
    output::data(output::status::why(&status, server).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

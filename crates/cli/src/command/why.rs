//! `vaultyard why`

use std::process::ExitCode;

use crate::arguments::Common;
use crate::failure::{Failure, Kind, failed};
use crate::{local, output};

pub(super) async fn run(common: &Common, server: Option<&str>) -> Result<ExitCode, Failure> {
    let status = local::state::control(common)?.status().await.map_err(failed)?;
    let names: Vec<&str> = status.servers.iter().map(|server| server.name.as_str()).collect();
    if let Some(unknown) = server.filter(|server| !names.contains(server)) {
        return Err(Failure::text(Kind::BadInput, format!("there is no server {unknown:?}"))
            .hint(format!("the servers are {}", names.join(", "))));
    }
    output::data(output::status::why(&status, server).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

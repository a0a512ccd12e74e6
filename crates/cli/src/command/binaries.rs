//! `vaultyard binaries`

use std::process::ExitCode;

use serde::Serialize;
use vaultyard_model::{Software, Version};
use vaultyard_target_local::binaries::list::{Listed, list};

use crate::arguments::{Binaries, BinariesAction, Common};
use crate::failure::{Failure, Kind, failed};
use crate::progress::Progress;
use crate::{local, output, system};

/// A version as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    software: String,
    version: String,
    fetchable: bool,
    path: Option<String>,
    intact: Option<bool>,
}

pub(super) async fn run(common: &Common, arguments: &Binaries) -> Result<ExitCode, Failure> {
    let folder = local::state::folder(common)?.join("binaries");
    match &arguments.action {
        None => {
            let listed = list(&folder, std::env::consts::ARCH).map_err(failed)?;
            let rows: Vec<Row> = listed.into_iter().map(Row::from).collect();
            output::print(arguments.output.output, &rows, |rows| show(rows))?;
        }
        Some(BinariesAction::Fetch { version }) => {
            let wrong = |error| Failure::text(Kind::BadInput, format!("{version:?} {error}"));
            let wanted = Version::new(version).map_err(wrong)?;
            let progress = Progress::new(common.quiet, system::fancy_terminal());
            let fetched =
                local::program::fetch(Software::OpenBao, &wanted, &folder, &progress).await;
            progress.end();
            output::data(fetched?.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl From<Listed> for Row {
    fn from(listed: Listed) -> Self {
        Self {
            software: listed.software.to_string(),
            version: listed.version.to_string(),
            fetchable: listed.known,
            intact: listed.present.as_ref().map(|present| present.intact),
            path: listed.present.map(|present| present.path.display().to_string()),
        }
    }
}

fn show(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let intact = match row.intact {
            None => "not here",
            Some(true) => "as it was fetched",
            Some(false) => "changed since it was fetched",
        };
        vec![
            row.software.clone(),
            row.version.clone(),
            if row.fetchable { "yes" } else { "no" }.to_owned(),
            intact.to_owned(),
            output::or_dash(row.path.as_ref()),
        ]
    };
    let headings = ["SOFTWARE", "VERSION", "FETCHABLE", "STATE", "PATH"];
    output::table(&headings, rows.iter().map(row).collect())
}

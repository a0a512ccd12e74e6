//! `vaultyard logs --target kubernetes`

use std::pin::Pin;
use std::process::ExitCode;

use futures_util::stream::{SelectAll, Stream, StreamExt};
use vaultyard_render::kubernetes::server_pod::SERVER;
use vaultyard_target_kubernetes::Reference;
use vaultyard_target_kubernetes::kind::POD;

use super::reach::{self, Found};
use crate::arguments::Common;
use crate::failure::{Failure, failed};
use crate::output::{self, servers};

type Lines = Pin<Box<dyn Stream<Item = Result<String, Failure>> + Send>>;

/// Prints what the servers' containers write.
pub(crate) async fn run(
    common: &Common,
    server: Option<&str>,
    follow: bool,
    tail: usize,
) -> Result<ExitCode, Failure> {
    let found = reach::cluster(common).await?;
    let status = found.written_status().await?;
    let Found { api, names } = found;
    let known: Vec<&str> = status.servers.iter().map(|server| server.name.as_str()).collect();
    servers::refuse_unknown(&known, server)?;
    let chosen: Vec<&str> =
        known.into_iter().filter(|name| server.is_none_or(|server| server == *name)).collect();
    let prefixed = chosen.len() > 1;
    let mut all: SelectAll<Lines> = SelectAll::new();
    let (mut without, count) = (None, chosen.len());
    for name in chosen {
        let pod = Reference::within(POD, names.namespace(), name);
        let lines = match api.log(&pod, SERVER, tail, follow).await {
            Ok(lines) => lines,
            // The others' are worth reading all the more.
            Err(error) if count > 1 => {
                eprintln!("{name} | {error}");
                without = Some(error);
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        let prefix = if prefixed { format!("{name} | ") } else { String::new() };
        let lines: Lines = Box::pin(lines.map(move |line| match line {
            Ok(line) => Ok(format!("{prefix}{line}")),
            Err(error) => Err(failed(error)),
        }));
        if follow {
            all.push(lines);
        } else {
            print(lines).await?;
        }
    }
    print(all).await?;
    match without {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(failed(error)),
    }
}

async fn print(lines: impl Stream<Item = Result<String, Failure>>) -> Result<(), Failure> {
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.next().await {
        output::data(line?)?;
    }
    Ok(())
}

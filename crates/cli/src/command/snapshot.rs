//! `vaultyard snapshot`

pub(crate) mod restore;
mod take;
pub(crate) mod verify;

use std::process::ExitCode;

use indicatif::BinaryBytes;
use vaultyard_keys::record::Generation;
use vaultyard_snapshots::folder::{Kept, Name};
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::verify::VerifyError;

use crate::arguments::{Common, Output, Snapshot, Target};
use crate::failure::{Failure, Kind, failed};
use crate::kubernetes::operations;
use crate::local::snapshots::shelf;
use crate::snapshots::Listed;
use crate::{local, output};

pub(super) async fn run(common: &Common, snapshot: &Snapshot) -> Result<ExitCode, Failure> {
    if common.target == Target::Kubernetes {
        return operations::of_snapshots(common, snapshot).await;
    }
    match snapshot {
        Snapshot::Take => take::run(common).await,
        Snapshot::List(output) => list(common, output).await,
        Snapshot::Delete { name, yes } => delete(common, name, yes.as_deref()).await,
        Snapshot::Restore { name, yes } => restore::run(common, name, yes.as_deref()).await,
        Snapshot::Verify { name, restore, output } => {
            verify::run(common, name.as_deref(), *restore, output).await
        }
    }
}

/// The name that a person wrote.
pub(crate) fn named(text: &str) -> Result<Name, Failure> {
    Name::parse(text).ok_or_else(|| {
        let what = format!("{text:?} is no name of a snapshot; they look like 20261129T225620Z");
        Failure::text(Kind::BadInput, what).hint("`vaultyard snapshot list` names those there are")
    })
}

/// The newest of those that these keys open, or that do not say what opens them.
pub(crate) async fn newest(shelf: &Shelf, ours: &Generation) -> Result<Kept, Failure> {
    let mut all = shelf.list().await.map_err(failed)?;
    all.retain(|kept| kept.header.as_ref().map_or(true, |it| it.generation == *ours));
    let newest = all.pop();
    newest.ok_or_else(|| {
        let what = format!("there is no snapshot in {}", shelf.describe());
        Failure::text(Kind::BadInput, what).hint("take one with `vaultyard snapshot take`")
    })
}

fn not_sound(error: VerifyError) -> Failure {
    failed(error).hint(
        "`vaultyard snapshot list` shows the others; `vaultyard snapshot take` takes a new one",
    )
}

/// What a person is told before one is removed.
pub(crate) fn removes(name: &Name) -> String {
    format!("This removes the snapshot {name}. What is in it alone is lost.")
}

async fn delete(common: &Common, name: &str, yes: Option<&str>) -> Result<ExitCode, Failure> {
    let name = named(name)?;
    let known = local::state::known(common)?;
    let shelf = shelf(&known);
    if !shelf.list().await.map_err(failed)?.iter().any(|kept| kept.name == name) {
        return Err(unknown(&name));
    }
    output::ask::confirm(&removes(&name), known.document.cluster.name.as_str(), yes, 1)?;
    shelf.remove(&name).await.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// There is none of this name.
pub(crate) fn unknown(name: &Name) -> Failure {
    Failure::text(Kind::BadInput, format!("there is no snapshot {name}"))
        .hint("`vaultyard snapshot list` names those there are")
}

async fn list(common: &Common, arguments: &Output) -> Result<ExitCode, Failure> {
    let known = local::state::known(common)?;
    let all = shelf(&known).list().await.map_err(failed)?;
    show_all(&all.into_iter().map(Listed::from).collect(), arguments)
}

/// Shows all that there are.
pub(crate) fn show_all(all: &Vec<Listed>, arguments: &Output) -> Result<ExitCode, Failure> {
    output::print(arguments.output, all, |all| {
        let row = |it: &Listed| {
            let size = BinaryBytes(it.bytes).to_string();
            let from = it.server.clone();
            let fault = it.fault.clone().unwrap_or_default();
            vec![
                it.name.clone(),
                output::or_dash(from),
                output::or_dash(it.version.clone()),
                size,
                output::or_dash(it.proven.clone()),
                output::or_dash(it.bucket.clone()),
                fault,
            ]
        };
        output::table(
            &["NAME", "SERVER", "VERSION", "SIZE", "PROVEN", "BUCKET", ""],
            all.iter().map(row).collect(),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

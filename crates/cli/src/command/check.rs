//! `vaultyard check`

use std::process::ExitCode;

use vaultyard_model::port::clock::Random;
use vaultyard_target_local::StateDirectory;
use vaultyard_target_local::state::StateError;

use crate::arguments::{Common, Document, Target};
use crate::failure::{Failure, Kind, bad_input};
use crate::local::{self, prepare, program};
use crate::system::SystemRandom;
use crate::{custody, kubernetes, output};

pub(super) async fn run(common: &Common, arguments: &Document) -> Result<ExitCode, Failure> {
    if common.target == Target::Kubernetes {
        return kubernetes::check::run(common, arguments.file.as_deref()).await;
    }
    let folder = local::state::folder(common)?;
    let document = local::document::find(arguments.file.as_deref(), &folder)?;
    output::data(format!("document    {}", document.headline()))?;
    let state = match StateDirectory::open(&folder) {
        Ok(state) => Some(state),
        Err(StateError::Missing { .. }) => None,
        Err(error) => return Err(bad_input(error)),
    };
    let kept = state.as_ref().map(StateDirectory::first_address).transpose();
    let kept = kept.map_err(bad_input)?.flatten();
    output::data(format!("state       {}", folder.display()))?;
    let random: &dyn Random = &SystemRandom;
    let wanted = document.cluster.servers.replicas.count();
    let stood = match &state {
        Some(state) => prepare::stood(state, &document.cluster)?,
        None => wanted,
    };
    let servers = wanted.max(stood);
    let layout = prepare::layout(&document.cluster, servers, arguments.address, kept, random)?;
    if let Some(state) = &state {
        state.refuse_other(&document.cluster.name).map_err(bad_input)?;
        prepare::refuse_change(state, &document.cluster, &layout)?;
    }
    prepare::refuse_taken(&layout)?;
    output::data(format!("addresses   {} and behind it are free", layout.proxy.ip()))?;
    let found = program::look(&document.cluster, &folder.join("binaries")).await?;
    output::data(match found {
        program::Program::Here(path) => format!("program     {}", path.display()),
        program::Program::Fetch => "program     will be fetched".to_owned(),
    })?;
    local::seal::refuse_unusable(&document.cluster)?;
    if let Some(seal) = &document.cluster.seal {
        output::data(format!("seal        {seal}"))?;
    }
    let (keys, snapshots) = (&document.cluster.keys, &document.cluster.snapshots.store);
    let trial = custody::trial::run(keys, snapshots).await;
    for (heading, line) in trial.lines(keys, snapshots, "it does its part") {
        output::data(format!("{heading:<11} {line}"))?;
    }
    match trial.in_the_way(keys, snapshots) {
        Some(why) => Err(Failure::text(Kind::Failed, why).hint("nothing was changed")),
        None => Ok(ExitCode::SUCCESS),
    }
}

//! `vaultyard check`

use std::process::ExitCode;

use vaultyard_model::port::clock::Random;
use vaultyard_target_local::StateDirectory;

use crate::arguments::{Common, Document};
use crate::failure::Failure;
use crate::local::{self, prepare, program};
use crate::output;
use crate::system::SystemRandom;

pub(super) async fn run(common: &Common, arguments: &Document) -> Result<ExitCode, Failure> {
    let folder = local::state::folder(common)?;
    let document = local::document::find(arguments.file.as_deref(), &folder)?;
    output::data(format!("document    {}", document.headline()))?;
    let kept = match StateDirectory::open(&folder) {
        Ok(state) => state.first_address().ok().flatten(),
        Err(vaultyard_target_local::state::StateError::Missing { .. }) => None,
        Err(error) => return Err(crate::failure::bad_input(error)),
    };
    output::data(format!("state       {}", folder.display()))?;
    let random: &dyn Random = &SystemRandom;
    let layout = prepare::layout(&document.cluster, arguments.address, kept, random)?;
    prepare::refuse_taken(&layout)?;
    output::data(format!("addresses   {} and behind it are free", layout.proxy.ip()))?;
    let found = program::look(&document.cluster, &folder.join("binaries")).await?;
    output::data(match found {
        program::Program::Here(path) => format!("program     {}", path.display()),
        program::Program::Fetch => "program     will be fetched".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

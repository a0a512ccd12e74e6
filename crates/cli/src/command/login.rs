//! `vaultyard login`

use std::process::ExitCode;

use vaultyard_durable::{PRIVATE, replace};
use vaultyard_model::duration::Short;

use crate::arguments::{Common, Target};
use crate::failure::{Failure, Kind, failed};
use crate::local::login::{LoggedIn, log_in};
use crate::{kubernetes, local, output, system};

/// Where `bao` and `vault` keep the token of a login.
const TOKEN_FILE: &str = ".vault-token";

pub(super) async fn run(common: &Common, print: bool) -> Result<ExitCode, Failure> {
    let (login, place) = match common.target {
        Target::Local => {
            let LoggedIn { login, server, .. } = log_in(&local::state::known(common)?).await?;
            (login, server.to_string())
        }
        Target::Kubernetes => kubernetes::login::log_in(common).await?,
    };
    if print {
        output::data(login.token.expose_text().unwrap_or_default())?;
        return Ok(ExitCode::SUCCESS);
    }
    let home = system::home().ok_or_else(|| {
        Failure::text(Kind::BadInput, "there is no home directory to write the token to")
            .hint("print it with --print")
    })?;
    let file = home.join(TOKEN_FILE);
    replace(&file, login.token.expose(), PRIVATE).map_err(failed)?;
    if !common.quiet {
        eprintln!(
            "logged in at {place} as administrator for {}; the token is in {}",
            Short(login.lease),
            file.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

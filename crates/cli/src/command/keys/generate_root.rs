//! `vaultyard keys generate-root`: the way back in when logins are lost.

use std::process::ExitCode;

use vaultyard_keys::generate_root::generate_root;
use vaultyard_keys::generate_root::record::RootRecord;
use vaultyard_model::port::clock::Clock;
use vaultyard_vault::Client;

use crate::arguments::Common;
use crate::failure::{Failure, Kind, failed};
use crate::local::keys::Custody;
use crate::local::state::Known;
use crate::system::SystemClock;
use crate::{local, output};

fn what(program: &str) -> String {
    format!(
        "This makes a root token from the stored shares. It can do everything, and lives until you \
         revoke it with `{program} token revoke -self`. `vaultyard status` shows it until then."
    )
}

pub(super) async fn run(
    common: &Common,
    known: &Known,
    custody: &Custody,
    yes: Option<&str>,
) -> Result<ExitCode, Failure> {
    let status = local::state::control(common)?.status().await.map_err(failed)?;
    let what = what(known.document.cluster.servers.software.program());
    output::ask::confirm(&what, known.document.cluster.name.as_str(), yes, 2)?;
    let leader = status.servers.iter().find(|server| server.role == "leader");
    let leaderless = || {
        Failure::text(Kind::Failed, "no server leads")
            .hint("`vaultyard why` says what each waits for")
    };
    let name = &leader.ok_or_else(leaderless)?.name;
    let place = known.layout.servers.iter().find(|place| place.name.as_str() == name);
    let place = place.ok_or_else(leaderless)?;
    let paths = known.state.paths();
    let socket = Client::unix(paths.server(&place.name).admin_socket());
    let keys = custody.load(&known.document.cluster.name).await?;
    let record = RootRecord::new(paths.root_tokens());
    let made = generate_root(&socket, &keys, &record, SystemClock.now()).await.map_err(failed)?;
    if !common.quiet {
        eprintln!("root token with accessor {}; revoke it when you are done", made.accessor);
    }
    output::data(made.token.expose_text().unwrap_or_default())?;
    Ok(ExitCode::SUCCESS)
}

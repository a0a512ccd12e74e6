//! Logs the administrator in at a cluster on this machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vaultyard_certificates::Leaf;
use vaultyard_model::ServerName;
use vaultyard_model::access::Identity;
use vaultyard_vault::{Client, Login, Session};

use super::state::Known;
use crate::failure::{Failure, bad_input, failed};
use crate::identities;

const DEADLINE: Duration = Duration::from_secs(10);
/// An election is over by then.
const ELECTION: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// The administrator, logged in at the server that leads.
pub(crate) struct LoggedIn {
    pub(crate) login: Login,
    pub(crate) server: ServerName,
    pub(crate) client: Arc<Client>,
}

/// Logs in as the administrator, straight at the server that leads: the proxy ends TLS, so it
/// cannot pass a client certificate on.
pub(crate) async fn log_in(known: &Known) -> Result<LoggedIn, Failure> {
    let pki = known.state.paths().pki();
    let folder = identities::folder(&pki, Identity::Administrator);
    let leaf = Leaf::load(&folder).map_err(bad_input)?;
    let root = std::fs::read_to_string(pki.join("ca/root.crt")).map_err(bad_input)?;
    let tls = identities::tls(&root, &leaf)?;
    let software = known.document.cluster.servers.software;
    let clients = identities::clients(&known.layout.sites(), software, &tls)?;
    let session = Session::new(clients.clone(), Identity::Administrator);
    let client = Arc::clone(leader(&session).await?);
    let login = client.log_in(Identity::Administrator.as_str(), DEADLINE).await.map_err(failed)?;
    let at = |(name, other): (&ServerName, _)| Arc::ptr_eq(other, &client).then(|| name.clone());
    let server =
        clients.iter().find_map(at).unwrap_or_else(|| known.layout.servers[0].name.clone());
    Ok(LoggedIn { login, server, client })
}

/// The server that leads; an election is waited for.
async fn leader(session: &Session) -> Result<&Arc<Client>, Failure> {
    let began = Instant::now();
    loop {
        match session.leader().await {
            Ok(leader) => return Ok(leader),
            Err(_) if began.elapsed() < ELECTION => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                return Err(failed(error).hint("`vaultyard status` says how the cluster is"));
            }
        }
    }
}

//! What everything stands on: the ports that more than one loop needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;
use vaultyard_certificates::tls::{Swappable, client_config};
use vaultyard_model::access::Identity;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::port::server::Server;
use vaultyard_model::{Cluster, Layout, ServerName};
use vaultyard_target_local::{LocalLauncher, Paths};
use vaultyard_vault::{Client, Session};

use crate::failure::{Failure, bad_input, failed};
use crate::identities;
use crate::local::document;
use crate::local::keys::{self, Custody, Missing};
use crate::local::prepare::{self, Prepared};
use crate::system::{self, SystemClock, SystemRandom};

/// The ports of one cluster.
pub(super) struct Ground {
    /// What was prepared.
    pub(super) prepared: Prepared,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(super) random: Arc<dyn Random>,
    /// The keys.
    pub(super) custody: Custody,
    /// What starts servers.
    pub(super) launcher: Arc<LocalLauncher>,
    /// What Vaultyard's own login shows; replaced when it is renewed.
    pub(super) own: Arc<Swappable>,
    /// Every server's API, asked with that certificate.
    pub(super) clients: BTreeMap<ServerName, Arc<Client>>,
    /// Vaultyard's own login.
    pub(super) session: Arc<Session>,
    /// Trusts the cluster's root and shows nothing.
    pub(super) trust: Arc<ClientConfig>,
}

impl Ground {
    pub(super) async fn lay(prepared: Prepared) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let paths = prepared.state.paths();
        let custody = keys::open(prepared.cluster(), paths, Missing::Create).await?;
        let root = prepared.authority.root_pem();
        let own = Arc::new(identities::shown(&prepared.own)?);
        let clients = identities::clients(
            &prepared.layout.sites(),
            prepared.cluster().servers.software,
            &identities::tls_with(root, own.clone())?,
        )?;
        let launcher = LocalLauncher::new(
            prepared.cluster().clone(),
            prepared.layout.clone(),
            paths.clone(),
            prepared.program.clone(),
            system::spawner().map_err(failed)?,
            clock.clone(),
        );
        Ok(Self {
            session: Arc::new(Session::new(clients.clone(), Identity::Vaultyard)),
            trust: client_config(root.as_bytes(), None, &[]).map_err(failed)?,
            random: Arc::new(SystemRandom),
            launcher: Arc::new(launcher),
            prepared,
            clock,
            custody,
            own,
            clients,
        })
    }

    /// Has so many servers stand, as the document says that is declared by now: with certificates for those
    /// that are new, and clients of all.
    pub(super) fn stand(&mut self, servers: u8) -> Result<(), Failure> {
        let prepared = &mut self.prepared;
        if let Some(declared) = document::of_state(&prepared.state)? {
            prepared.document = declared;
        }
        let (cluster, first) = (&prepared.document.cluster, prepare::first(&prepared.layout));
        prepared.layout = Layout::of_servers(cluster, servers, first).map_err(bad_input)?;
        let paths = prepared.state.paths();
        let (authority, now) = (&prepared.authority, self.clock.now());
        let leaves = prepare::leaves(cluster, &prepared.layout, paths, authority, now)?;
        [prepared.proxy, prepared.own, prepared.administrator] = leaves;
        let tls = identities::tls_with(authority.root_pem(), self.own.clone())?;
        let (sites, software) = (prepared.layout.sites(), cluster.servers.software);
        self.clients = identities::clients(&sites, software, &tls)?;
        self.session = Arc::new(Session::new(self.clients.clone(), Identity::Vaultyard));
        self.launcher.stand(prepared.layout.clone());
        Ok(())
    }

    pub(super) fn cluster(&self) -> &Cluster {
        self.prepared.cluster()
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.prepared.layout
    }

    pub(super) fn paths(&self) -> &Paths {
        self.prepared.state.paths()
    }

    /// A server's API as far as it needs no token.
    pub(super) fn api(&self, server: &ServerName) -> Option<Arc<dyn Server>> {
        Some(self.clients.get(server)?.clone())
    }
}

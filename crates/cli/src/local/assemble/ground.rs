//! What everything stands on: the ports that more than one loop needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ClientConfig;
use vaultyard_certificates::Leaf;
use vaultyard_certificates::tls::{Swappable, client_config};
use vaultyard_model::access::Identity;
use vaultyard_model::port::clock::{Clock, Random};
use vaultyard_model::port::server::Server;
use vaultyard_model::{Cluster, Layout, ServerName};
use vaultyard_target_local::{LocalLauncher, Paths};
use vaultyard_vault::{Client, Session};

use crate::document::Document;
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

/// What other servers stand with.
pub(super) struct Next {
    document: Document,
    layout: Layout,
    /// Of the proxy, of Vaultyard's own login and of the administrator's.
    leaves: [Leaf; 3],
    clients: BTreeMap<ServerName, Arc<Client>>,
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

    /// What it takes to have so many servers stand, as the document says that is declared by now: certificates for
    /// those that are new, and clients of all.
    pub(super) fn next(&self, servers: u8) -> Result<Next, Failure> {
        let prepared = &self.prepared;
        let declared = document::of_state(&prepared.state)?;
        let document = declared.unwrap_or_else(|| prepared.document.clone());
        let (cluster, first) = (&document.cluster, prepare::first(&prepared.layout));
        let layout = Layout::of_servers(cluster, servers, first).map_err(bad_input)?;
        let paths = prepared.state.paths();
        let (authority, now) = (&prepared.authority, self.clock.now());
        let leaves = prepare::leaves(cluster, &layout, paths, authority, now)?;
        let tls = identities::tls_with(authority.root_pem(), self.own.clone())?;
        let clients = identities::clients(&layout.sites(), cluster.servers.software, &tls)?;
        Ok(Next { document, layout, leaves, clients })
    }

    /// Has these servers stand.
    pub(super) fn stand(&mut self, next: Next) {
        let Next { document, layout, leaves, clients } = next;
        self.launcher.stand(layout.clone());
        let prepared = &mut self.prepared;
        (prepared.document, prepared.layout) = (document, layout);
        [prepared.proxy, prepared.own, prepared.administrator] = leaves;
        self.session = Arc::new(Session::new(clients.clone(), Identity::Vaultyard));
        self.clients = clients;
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

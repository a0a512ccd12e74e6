//! What an unsealer needs to do something with all data of its cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use vaultyard_keys::record::Generation;
use vaultyard_keys::stored::{self, KeyRing};
use vaultyard_model::access::Identity;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::custody::{KeyEncryption, KeyStore};
use vaultyard_model::{ClusterName, ServerName};
use vaultyard_snapshots::shelf::Shelf;
use vaultyard_snapshots::take::Taken;
use vaultyard_vault::{Client, Login};

use crate::failure::{Failure, Kind, failed};
use crate::keepers::scheduled::Taking;
use crate::snapshots::{self, Leader, Moment};

/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(5);

/// The ports of one unsealer that lead to all data.
pub(crate) struct Hands {
    pub(crate) cluster: ClusterName,
    /// The server of this pod.
    pub(crate) server: ServerName,
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) encryption: Arc<dyn KeyEncryption>,
    /// Every server, asked with the administrator's certificate.
    pub(crate) administrators: BTreeMap<ServerName, Arc<Client>>,
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    /// Where the snapshots are, as the document says now.
    pub(crate) shelf: watch::Receiver<Arc<Shelf>>,
}

/// The server that leads, and the administrator's login there.
pub(crate) struct AtLeader<'a> {
    pub(crate) server: ServerName,
    pub(crate) client: &'a Client,
    pub(crate) login: Login,
}

impl Hands {
    /// Who leads, as far as this unsealer sees.
    pub(crate) fn leader(&self) -> Option<ServerName> {
        self.observed.borrow().as_ref().and_then(Observed::leader).cloned()
    }

    /// Whether the own server does.
    pub(crate) fn leads(&self) -> bool {
        self.leader().as_ref() == Some(&self.server)
    }

    /// All keys that the cluster has and had.
    pub(crate) async fn keys(&self) -> Result<KeyRing, Failure> {
        let Self { cluster, store, encryption, .. } = self;
        stored::load_all(cluster, &**store, &**encryption).await.map_err(failed)
    }

    /// Logs the administrator in at the server that leads.
    pub(crate) async fn log_in(&self) -> Result<AtLeader<'_>, Failure> {
        let leader = self.leader().and_then(|leader| self.administrators.get_key_value(&leader));
        let (server, client) =
            leader.ok_or_else(|| Failure::text(Kind::Failed, "no server leads"))?;
        let login = client.log_in(Identity::Administrator.as_str(), LOGIN).await;
        Ok(AtLeader { server: server.clone(), client, login: login.map_err(failed)? })
    }

    /// Where the snapshots are.
    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        self.shelf.borrow().clone()
    }

    /// Takes a snapshot, by way of the own volume.
    pub(crate) async fn take_snapshot(&self, moment: Moment) -> Result<Taken, Failure> {
        let Self { cluster, store, encryption, .. } = self;
        // Without the keys it would be worth nothing, and that is better known before.
        let keys = stored::load(cluster, &**store, &**encryption).await.map_err(failed)?;
        let AtLeader { server, client, login } = self.log_in().await?;
        let leader = Leader { cluster, server: &server, client, token: &login.token };
        snapshots::take(leader, keys.header, &**encryption, &self.shelf(), moment).await
    }
}

#[async_trait]
impl Taking for Hands {
    fn is_mine(&self) -> bool {
        self.leads()
    }

    fn shelf(&self) -> Arc<Shelf> {
        self.shelf()
    }

    async fn generation(&self) -> Result<Generation, Failure> {
        Ok(self.keys().await?.current().header.generation.clone())
    }

    async fn take_scheduled(&self, now: Timestamp) -> Result<Taken, Failure> {
        self.take_snapshot(Moment { now, scheduled: true }).await
    }
}

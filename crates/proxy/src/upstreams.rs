//! The servers behind a proxy, which can become more and fewer while it runs.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName as TlsName;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use crate::BindError;
use crate::config::Server;
use crate::upstream::Upstream;

/// All of them, each at its place in the configuration.
pub(crate) struct Upstreams {
    tls: TlsConnector,
    all: watch::Sender<Vec<Arc<Upstream>>>,
}

impl Upstreams {
    /// `trust` says which certificates are believed.
    pub(crate) fn new(servers: &[Server], trust: &ClientConfig) -> Result<Self, BindError> {
        let mut tls = trust.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let all = Self { tls: TlsConnector::from(Arc::new(tls)), all: watch::Sender::default() };
        all.stand(servers)?;
        Ok(all)
    }

    /// From now on these are the servers. Those at the same places as before keep their connections.
    pub(crate) fn stand(&self, servers: &[Server]) -> Result<(), BindError> {
        let kept = self.all.borrow().clone();
        let mut all: Vec<_> = kept.into_iter().take(servers.len()).collect();
        for server in servers.iter().skip(all.len()) {
            let (name, tls_name) = (server.name.clone(), server.tls_name.clone());
            let tls = TlsName::try_from(tls_name.clone());
            let tls = tls.map_err(|_| BindError::TlsName { server: name, tls_name })?;
            all.push(Upstream::new(server.address.clone(), tls, self.tls.clone()));
        }
        self.all.send_replace(all);
        Ok(())
    }

    /// The one at this place.
    pub(crate) fn get(&self, place: usize) -> Option<Arc<Upstream>> {
        self.all.borrow().get(place).cloned()
    }

    /// All of them, now and whenever that changes.
    pub(crate) fn follow(&self) -> watch::Receiver<Vec<Arc<Upstream>>> {
        self.all.subscribe()
    }
}

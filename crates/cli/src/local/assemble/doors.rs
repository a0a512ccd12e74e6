//! Everything that listens to clients. All doors are open before the first server is started, so that an
//! address that cannot be had is told while nothing has happened yet.

use std::num::NonZeroU16;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use vaultyard_certificates::tls::Swappable;
use vaultyard_dns::Records;
use vaultyard_model::layout::Place;
use vaultyard_model::{Cluster, Layout};
use vaultyard_proxy::{Config, Server};

use super::ground::Ground;
use crate::failure::{Failure, bad_input, failed};
use crate::local::names;
use crate::metrics;
use crate::proxy::{self, RunningProxy};

/// What listens and, but for the proxy, does not answer yet.
pub(super) struct Doors {
    /// The DNS server.
    pub(super) dns: vaultyard_dns::Server,
    /// `/metrics`
    pub(super) metrics: TcpListener,
    /// What is counted.
    pub(super) registry: Registry,
    /// The proxy; holds requests until somebody leads.
    pub(super) proxy: RunningProxy,
    /// The certificate that its clients see; replaced when it is renewed.
    pub(super) public: Arc<Swappable>,
}

impl Doors {
    pub(super) async fn open(ground: &Ground) -> Result<Self, Failure> {
        let (cluster, layout) = (ground.cluster(), ground.layout());
        let records = Records::new(&names::facts(cluster, layout, None)).map_err(bad_input)?;
        let serial = names::first_serial(ground.clock.now());
        let dns = vaultyard_dns::Server::bind(layout.dns, records, serial).await.map_err(failed)?;
        let metrics = metrics::bind(layout.metrics).await?;
        let mut registry = Registry::default();
        let counts = registry.sub_registry_with_prefix("vaultyard");
        let pair = ground.prepared.proxy.pair().map_err(failed)?;
        let public = Arc::new(Swappable::new(&pair).map_err(failed)?);
        let parts = proxy::Parts {
            config: config(cluster, layout),
            certificate: public.clone(),
            trust: ground.trust.clone(),
            metrics: vaultyard_proxy::Metrics::register(counts),
            ending: vaultyard_proxy::Ending::default(),
        };
        let proxy = proxy::start(parts).await?;
        Ok(Self { dns, metrics, registry, proxy, public })
    }
}

/// The proxy's configuration: one proxy for the whole cluster.
fn config(cluster: &Cluster, layout: &Layout) -> Config {
    Config {
        listen: layout.proxy,
        limits: cluster.ingress.proxy.clone(),
        proxies: NonZeroU16::MIN,
        servers: servers(layout),
    }
}

/// The servers, as the proxy reaches them.
pub(super) fn servers(layout: &Layout) -> Vec<Server> {
    let server = |place: &Place| Server {
        name: place.name.clone(),
        address: place.api.into(),
        tls_name: place.api.ip().to_string(),
    };
    layout.servers.iter().map(server).collect()
}

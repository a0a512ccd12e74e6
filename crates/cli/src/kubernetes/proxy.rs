//! `vaultyard controller proxy`: one of the proxies of a cluster.

use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use vaultyard_certificates::Leaf;
use vaultyard_certificates::tls::{Swappable, client_config};
use vaultyard_model::chain;
use vaultyard_model::layout::{API_PORT, Site};
use vaultyard_proxy::{Config, Metrics, Server};

use super::{door, pod, sites};
use crate::failure::{Failure, Kind, failed};
use crate::proxy::{self, Parts};
use crate::stops::Stops;
use crate::{identities, metrics};

/// Between two looks at the certificate. Kubelet itself brings a changed Secret only after a minute.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The leaf's name in its Secret (`kubernetes.io/tls`).
const LEAF: &str = "tls";

/// Passes requests on until it is told to stop.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut stops = Stops::listen()?;
    let cluster = pod::document()?.cluster;
    let proxies = pod::variable("VAULTYARD_PROXIES")?.parse::<NonZeroU16>().map_err(failed)?;
    let folder = PathBuf::from(vaultyard_render::kubernetes::pod::CERTIFICATES_FOLDER);
    let leaf = Leaf::load_named(&folder, LEAF).map_err(failed)?;
    let shown = Arc::new(identities::shown(&leaf)?);
    let root = std::fs::read(folder.join("ca.crt")).map_err(failed)?;
    let trust = client_config(&root, None, &[]).map_err(failed)?;
    let mut registry = Registry::default();
    let counts = registry.sub_registry_with_prefix("vaultyard");
    let server = |site: Site| Server {
        tls_name: site.address.host.to_string(),
        name: site.name,
        address: site.address,
    };
    let config = Config {
        listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, API_PORT)),
        limits: cluster.ingress.proxy.clone(),
        proxies,
        servers: sites::of(&cluster)?.into_iter().map(server).collect(),
    };
    let door = door::open().await?;
    let metrics = Metrics::register(counts);
    let running =
        proxy::start(Parts { config, certificate: shown.clone(), trust, metrics }).await?;
    let (leader, registry) = (running.handle.leader(), Arc::new(registry));
    let answers = door::answer(door, move |path| match path {
        // One that knows no leader holds requests, and is better at that than none.
        "/ready" => Some(door::readiness(None)),
        "/leader" => Some(door::text(
            http::StatusCode::OK,
            leader.borrow().as_ref().map_or("none", |leader| leader.as_str()),
        )),
        "/metrics" => Some(metrics::text(&registry)),
        _ => None,
    });
    let mut alive = running.alive.clone();
    tokio::select! {
        () = answers => {}
        () = follow(&folder, leaf.certificate.serial, &shown) => {}
        _ = alive.changed() => return Err(Failure::text(Kind::Failed, "the proxy ended")),
        _ = stops.next() => {}
    }
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Shows whatever certificate lies in the folder, for ever.
async fn follow(folder: &std::path::Path, mut serial: String, shown: &Swappable) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let leaf = match Leaf::load_named(folder, LEAF) {
            Ok(leaf) if leaf.certificate.serial == serial => continue,
            Ok(leaf) => leaf,
            Err(error) => {
                tracing::warn!("{}", chain(&error));
                continue;
            }
        };
        let replaced = leaf.pair().map_err(|error| chain(&error));
        match replaced.and_then(|pair| shown.replace(&pair).map_err(|error| chain(&error))) {
            Ok(()) => serial = leaf.certificate.serial,
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

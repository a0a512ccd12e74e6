//! `vaultyard controller proxy`: one of the proxies of a cluster.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vaultyard_certificates::tls::client_config;
use vaultyard_model::layout::{API_PORT, Site};
use vaultyard_proxy::{Config, Ending, Metrics, Server};
use vaultyard_render::kubernetes::Names;
use vaultyard_render::kubernetes::deployment::{LINGER_SECONDS, REQUEST_SECONDS};

use super::gauges::Expiries;
use super::holding::Holding;
use super::mounted::Mounted;
use super::{door, pod, sites};
use crate::failure::{Failure, Kind, failed};
use crate::proxy::{self, Parts};
use crate::stops::Stops;
use crate::{metrics, system};

/// Between two looks at the certificates. Kubelet itself brings a changed Secret only after a minute.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two questions for the servers' common name, and for how long it is asked for at the start.
const NAMES_EVERY: Duration = Duration::from_millis(250);
const NAMES_LAST: Duration = Duration::from_secs(10);
/// The name, in the proxies' Secret, of the leaf that clients see.
pub(crate) const SERVED: &str = "tls";
/// The name of the leaf that unsealers see.
pub(crate) const CLIENT: &str = "client";

/// Passes requests on until it is told to stop.
pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let mut stops = Stops::listen()?;
    let standing = pod::variable("VAULTYARD_SERVERS")?.parse::<u8>().map_err(failed)?;
    let cluster = pod::document()?.cluster.standing(standing);
    let proxies = pod::variable("VAULTYARD_PROXIES")?.parse::<NonZeroU16>().map_err(failed)?;
    let folder = PathBuf::from(vaultyard_render::kubernetes::pod::CERTIFICATES_FOLDER);
    let served = Mounted::open(&folder, SERVED)?;
    let client = Mounted::open(&folder, CLIENT)?;
    let root = std::fs::read(folder.join("ca.crt")).map_err(failed)?;
    let trust = client_config(&root, None, &[]).map_err(failed)?;
    let inner = client_config(&root, Some(client.shown.clone()), &["http/1.1"]).map_err(failed)?;
    let mut registry = Registry::default();
    let counts = registry.sub_registry_with_prefix("vaultyard");
    let expiries = Expiries::register(counts);
    let sites = sites::of(&cluster)?;
    let servers = Names::of(&cluster).servers_host();
    tokio::select! {
        () = first_server(&servers) => {}
        _ = stops.next() => return Ok(ExitCode::SUCCESS),
    }
    let config = Config {
        listen: system::everywhere(API_PORT),
        limits: cluster.ingress.proxy.clone(),
        proxies,
        servers: sites.iter().map(server).collect(),
    };
    let door = door::open().await?;
    let metrics = Metrics::register(counts);
    let ending = ending(&config);
    let parts = Parts { config, certificate: served.shown.clone(), trust, metrics, ending };
    let running = proxy::start(parts).await?;
    let (asked, met) = watch::channel(BTreeSet::new());
    let mut holding = JoinSet::new();
    for site in &sites {
        let one = Holding {
            proxy: pod::name()?,
            server: site.name.clone(),
            host: site.address.host.to_string(),
            tls: inner.clone(),
            handle: running.handle.clone(),
            asked: asked.clone(),
        };
        holding.spawn(one.run());
    }
    let (registry, servers) = (Arc::new(registry), sites.len());
    let answers = door::answer(door, move |path| {
        std::future::ready(match path.as_str() {
            // One that knows no leader holds requests, and is better at that than none. One that no
            // unsealer knows would send requests to a leader that is about to go.
            "/ready" if met.borrow().len() < servers => {
                Some(door::readiness(Some("not every unsealer was asked yet")))
            }
            "/ready" => Some(door::readiness(None)),
            "/metrics" => Some(metrics::text(&registry)),
            _ => None,
        })
    });
    let mut alive = running.alive.clone();
    tokio::select! {
        () = answers => {}
        () = follow([served, client], &expiries) => {}
        _ = alive.changed() => return Err(Failure::text(Kind::Failed, "the proxy ended")),
        _ = stops.next() => {}
    }
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits until any server has a name, for a while.
///
/// Who asks DNS for a name too early makes it keep for seconds that there is none, also for the
/// servers, which look for each other while a cluster comes up.
async fn first_server(host: &str) {
    let found = async {
        while tokio::net::lookup_host((host, API_PORT)).await.is_err() {
            tokio::time::sleep(NAMES_EVERY).await;
        }
    };
    if tokio::time::timeout(NAMES_LAST, found).await.is_err() {
        tracing::warn!("no server has an address in DNS: {host} has none");
    }
}

fn server(site: &Site) -> Server {
    Server {
        name: site.name.clone(),
        tls_name: site.address.host.to_string(),
        address: site.address.clone(),
    }
}

/// Another proxy takes over. What waits may wait, and then take as long as a request may.
fn ending(config: &Config) -> Ending {
    Ending {
        linger: Duration::from_secs(LINGER_SECONDS),
        grace: config.limits.hold + Duration::from_secs(REQUEST_SECONDS),
    }
}

/// Shows whatever certificates lie in the folder, for ever.
async fn follow(mut all: [Mounted; 2], expiries: &Expiries) {
    loop {
        for mounted in &mut all {
            if let Err(error) = mounted.follow() {
                tracing::warn!("{error}");
            }
        }
        expiries.set("proxy", all[0].until);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

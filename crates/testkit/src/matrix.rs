//! Clusters as documents can declare them: what is rendered for Kubernetes is compared with files for
//! each of them, and shown to an API server.

#![allow(clippy::unwrap_used, reason = "what is written here is right, and only tests use it")]

use std::collections::BTreeMap;
use std::time::Duration;

use vaultyard_model::cluster::{
    Collector, Cpu, Front, FrontTls, GoogleLoadBalancer, GoogleName, Limits, Monitoring,
    ObjectName, Requests, Resources, Way,
};
use vaultyard_model::{Cluster, Software, Version, Zone};

pub use keys::{sealed_by_aws, sealed_by_google, sealed_by_transit, transit};

use crate::sample;

mod keys;

/// Clusters of each size, software and place of keys, without anything that is optional.
pub fn plain() -> [(&'static str, Cluster); 13] {
    [
        ("openbao-1", sample::cluster(1)),
        ("openbao-3", sample::cluster(3)),
        ("openbao-5", sample::cluster(5)),
        ("openbao-3-zones", zoned(3)),
        ("openbao-3-larger", with_more(3)),
        ("vault-3", vault()),
        ("keys-transit", transit()),
        ("keys-google", keys::google()),
        ("keys-aws", keys::aws()),
        ("keys-age", keys::age()),
        ("keys-pkcs11", keys::pkcs11()),
        ("seal-google", sealed_by_google()),
        ("seal-aws", sealed_by_aws()),
    ]
}

/// One cluster for each way in and each way to be watched.
pub fn optional() -> [(&'static str, Cluster); 14] {
    let own = FrontTls::OwnCertificate;
    let pre_shared = || FrontTls::PreShared(vec![google("vault-2026"), google("vault-2027")]);
    let in_secret = || FrontTls::Secret(object("web"));
    [
        ("gce-1", behind(1, ingress("gce"), own.clone(), Some(PLAIN))),
        ("gce-3", behind(3, ingress("gce"), pre_shared(), Some(settings()))),
        ("gce-internal-3", behind(3, ingress("gce-internal"), in_secret(), Some(within()))),
        ("nginx-1", behind(1, ingress("nginx"), own.clone(), None)),
        ("nginx-3", behind(3, ingress("nginx-internal"), in_secret(), None)),
        ("other-class-3", behind(3, ingress("traefik"), own.clone(), None)),
        ("gke-gateway-1", behind(1, gateway("gke-l7-rilb"), own.clone(), Some(PLAIN))),
        (
            "gke-gateway-3",
            behind(3, gateway("gke-l7-global-external-managed"), pre_shared(), Some(settings())),
        ),
        ("gateway-3", behind(3, gateway("istio"), own.clone(), None)),
        ("gateway-passthrough-3", behind(3, gateway("istio"), FrontTls::Passthrough, None)),
        ("shared-gateway-3", behind(3, shared(), own.clone(), None)),
        ("shared-gke-gateway-3", behind(3, shared(), own, Some(PLAIN))),
        ("pod-monitoring-3", watched(3, Collector::Google)),
        ("pod-monitor-1", watched(1, operator())),
    ]
}

/// A cluster whose document names the zones.
pub fn zoned(replicas: u64) -> Cluster {
    let mut cluster = sample::cluster(replicas);
    cluster.servers.zones = ["a", "b", "c"].map(|zone| Zone::new(zone).unwrap()).to_vec();
    cluster
}

/// A cluster whose document says what its servers are given, of which class their volumes are, and how
/// patient raft is.
pub fn with_more(replicas: u64) -> Cluster {
    let mut cluster = sample::cluster(replicas);
    cluster.servers.resources = larger();
    cluster.servers.storage_class = Some(object("fast"));
    cluster.servers.performance_multiplier = 5;
    cluster
}

/// More than servers are given by default.
pub fn larger() -> Resources {
    Resources {
        requests: Requests { cpu: Cpu::new("0.5").unwrap(), memory: 4 << 30 },
        limits: Limits { cpu: Cpu::new("2"), memory: 6 << 30 },
    }
}

fn vault() -> Cluster {
    let mut cluster = sample::cluster(3);
    cluster.servers.software = Software::Vault;
    cluster.servers.version = Version::new("1.21.1").unwrap();
    cluster
}

/// Google's load balancer with nothing said about it.
pub const PLAIN: GoogleLoadBalancer = GoogleLoadBalancer {
    static_address: None,
    ssl_policy: None,
    security_policy: None,
    connection_draining: None,
};

fn settings() -> GoogleLoadBalancer {
    GoogleLoadBalancer {
        static_address: Some(google("vault-address")),
        ssl_policy: Some(google("modern")),
        security_policy: Some(google("office-only")),
        connection_draining: Some(Duration::from_secs(45)),
    }
}

/// What an Ingress within the network can have of them.
fn within() -> GoogleLoadBalancer {
    GoogleLoadBalancer { ssl_policy: None, security_policy: None, ..settings() }
}

/// A cluster behind an Ingress or a Gateway.
pub fn behind(
    replicas: u64,
    way: Way,
    tls: FrontTls,
    balancer: Option<GoogleLoadBalancer>,
) -> Cluster {
    let mut cluster = sample::cluster(replicas);
    let annotations = match way {
        Way::SharedGateway { .. } => BTreeMap::new(),
        _ => BTreeMap::from([("example.com/team".to_owned(), "payments".to_owned())]),
    };
    cluster.ingress.front = Some(Front { way, tls, annotations, google: balancer });
    cluster
}

/// An Ingress of this class.
pub fn ingress(class: &str) -> Way {
    Way::Ingress { class: object(class) }
}

fn gateway(class: &str) -> Way {
    Way::Gateway { class: object(class) }
}

fn shared() -> Way {
    Way::SharedGateway {
        name: object("shared"),
        namespace: Some(object("infra")),
        listener: Some(object("secure")),
    }
}

/// A cluster whose metrics are collected, with alerts and a dashboard.
pub fn watched(replicas: u64, collector: Collector) -> Cluster {
    let mut cluster = sample::cluster(replicas);
    let collector = Some(collector);
    cluster.monitoring = Monitoring { collector, alerts: true, dashboard: true };
    cluster
}

/// A Prometheus that prometheus-operator keeps.
pub fn operator() -> Collector {
    let labels = BTreeMap::from([("release".to_owned(), "prometheus".to_owned())]);
    Collector::Operator { labels, namespace: Some(object("monitoring")) }
}

fn object(name: &str) -> ObjectName {
    ObjectName::new(name).unwrap()
}

fn google(name: &str) -> GoogleName {
    GoogleName::new(name).unwrap()
}

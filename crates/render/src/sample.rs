//! A cluster to render in tests, and files to compare with.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use vaultyard_model::cluster::{
    Certificates, Dns, DnsPolicy, DnsProvider, Encryption, Ingress, Issuer, Keys, Proxy, Replicas,
    Servers, Store,
};
use vaultyard_model::layout::Place;
use vaultyard_model::{Cluster, ClusterName, DnsName, Layout, Software, Value, Version};

use crate::{Owner, Paths};

pub(crate) const OWNER: Owner = Owner { user: 1000, group: 1000 };

pub(crate) fn cluster(replicas: u64) -> Cluster {
    let lifetime = Duration::from_secs(720 * 3600);
    Cluster {
        name: ClusterName::new("vault").unwrap(),
        servers: Servers {
            software: Software::OpenBao,
            version: Version::new("2.7.2").unwrap(),
            binary: None,
            replicas: Replicas::new(replicas).unwrap(),
            zones: Vec::new(),
            raft_bytes: 10 << 30,
            configuration: Value::empty_map(),
        },
        keys: Keys {
            shares: 5,
            threshold: 3,
            encryption: Encryption::Local,
            store: Store::Directory { path: None },
        },
        certificates: Certificates {
            servers: Issuer::PrivateCa { lifetime },
            public: Issuer::PrivateCa { lifetime },
        },
        dns: Dns {
            zone: DnsName::new("vault.test").unwrap(),
            host: DnsName::new("vault.vault.test").unwrap(),
            provider: DnsProvider::Embedded,
            policy: DnsPolicy::UpsertOnly,
        },
        ingress: Ingress {
            proxy: Proxy {
                max_in_flight: 40,
                hold: Duration::from_secs(30),
                max_held: 1000,
                max_held_bytes: 64 << 20,
                trusted_proxies: Vec::new(),
                proxy_protocol: false,
                open: Vec::new(),
            },
        },
    }
}

pub(crate) fn layout(cluster: &Cluster) -> Layout {
    Layout::by_address(cluster, Ipv4Addr::new(127, 0, 0, 10)).unwrap()
}

pub(crate) fn paths(place: &Place) -> Paths {
    let folder = format!("/var/lib/vaultyard/my vault/servers/{}", place.name);
    Paths {
        data: format!("{folder}/data"),
        tls_certificate: format!("{folder}/tls.crt"),
        tls_key: format!("{folder}/tls.key"),
        certificate_authority: format!("{folder}/ca.pem"),
        admin_socket: format!("{folder}/admin.sock"),
    }
}

/// Compares with the file under `golden/`; writes it anew when `UPDATE_GOLDEN` is set.
#[allow(clippy::disallowed_methods)] // The switch of a test run, not input of what is rendered.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{} differs; see CONTRIBUTING.md, Tests", path.display());
}

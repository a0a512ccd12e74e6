//! A cluster as it is declared by default.

#![allow(clippy::unwrap_used, reason = "what is written here is right, and only tests use it")]

use std::collections::BTreeMap;
use std::time::Duration;

use vaultyard_model::cluster::{
    Certificates, Dns, DnsPolicy, DnsProvider, Encryption, Ingress, Issuer, Keys, Monitoring,
    Proxy, Replicas, Resources, Servers, Store,
};
use vaultyard_model::{Cluster, ClusterName, DnsName, Namespace, Software, Value, Version};

/// A cluster of this many servers, everything else as by default.
///
/// # Panics
/// When nobody may have this many.
pub fn cluster(replicas: u64) -> Cluster {
    let lifetime = Duration::from_secs(720 * 3600);
    Cluster {
        name: ClusterName::new("vault").unwrap(),
        namespace: Namespace::new("vault").unwrap(),
        servers: Servers {
            software: Software::OpenBao,
            version: Version::new("2.7.2").unwrap(),
            binary: None,
            replicas: Replicas::new(replicas).unwrap(),
            zones: Vec::new(),
            raft_bytes: 10 << 30,
            performance_multiplier: 1,
            storage_class: None,
            configuration: Value::empty_map(),
            account_annotations: BTreeMap::new(),
            resources: Resources::default(),
        },
        seal: None,
        keys: Keys {
            shares: 5,
            threshold: 3,
            encryption: Encryption::Local,
            store: Store::Directory { path: None },
            files_secret: None,
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
            front: None,
        },
        monitoring: Monitoring::default(),
    }
}

//! A cluster and some randomness, for tests.

use std::io::Read;
use std::time::Duration;

use vaultyard_model::cluster::{
    Certificates, Dns, DnsPolicy, DnsProvider, Encryption, Ingress, Issuer, Keys, Proxy, Replicas,
    Servers, Store,
};
use vaultyard_model::port::clock::Random;
use vaultyard_model::{Cluster, ClusterName, DnsName, Software, Value, Version};

/// Three servers, all defaults.
pub(crate) fn cluster() -> Cluster {
    let lifetime = Duration::from_secs(720 * 3600);
    Cluster {
        name: ClusterName::new("vault").unwrap(),
        servers: Servers {
            software: Software::OpenBao,
            version: Version::new("2.7.2").unwrap(),
            binary: None,
            replicas: Replicas::new(3).unwrap(),
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

/// The kernel's randomness.
pub(crate) struct Dice;

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(bytes))
            .map_err(|error| error.to_string())
    }
}

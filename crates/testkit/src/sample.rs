//! A cluster as it is declared by default, and as it is seen when all is well.

#![allow(clippy::unwrap_used, reason = "what is written here is right, and only tests use it")]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use vaultyard_model::cluster::{
    Certificates, Dns, DnsPolicy, DnsProvider, Encryption, Ingress, Issuer, Keys, Monitoring,
    Proxy, Replicas, Resources, Servers, Snapshots, Store,
};
use vaultyard_model::observed::{
    Health, LeaderSeen, Observed, Peer, Probe, ProcessSeen, ServerSeen, State,
};
use vaultyard_model::{Cluster, ClusterName, DnsName, Namespace, Software, Value, Version};

/// So many servers of [`cluster`] as they should be; the first leads.
///
/// # Panics
/// Never.
pub fn observed(replicas: u8) -> Observed {
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let of = cluster(1);
    let server = |ordinal: u8| {
        let state = if ordinal == 0 { State::Active } else { State::Standby };
        let seen = ServerSeen {
            process: ProcessSeen::Running { pid: 100 + u32::from(ordinal), since: at },
            health: Ok(Health { state, version: Some(of.servers.version.clone()) }),
            raft: Some(LeaderSeen {
                is_self: ordinal == 0,
                leader_address: "https://127.0.0.11:8200".to_owned(),
                committed: 1_000,
                applied: 1_000,
            }),
            reached: true,
            last_end: None,
            free_bytes: Some(1 << 30),
        };
        (of.name.server(ordinal), seen)
    };
    let peer =
        |ordinal| Peer { server: of.name.server(ordinal), voter: true, leader: ordinal == 0 };
    Observed {
        at,
        uptime: Duration::ZERO,
        servers: (0..replicas).map(server).collect(),
        peers: Some((0..replicas).map(peer).collect()),
        probe: Probe::Read(Duration::from_millis(1)),
        elections_won: [].into(),
    }
}

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
        snapshots: Snapshots { interval: None, retain: 7, store: Store::Directory { path: None } },
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

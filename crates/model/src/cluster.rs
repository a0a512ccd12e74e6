//! A cluster as a person declared it, every default filled in and every value checked.

mod ingress;
mod keys;
mod place;
mod resources;
mod seal;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use ingress::{
    Collector, Front, FrontTls, GOOGLE_GATEWAY_CLASSES, GOOGLE_INGRESS_CLASSES, GoogleLoadBalancer,
    GoogleName, Ingress, Monitoring, ObjectName, Way,
};
pub use keys::{Encryption, KeyFile, SERVICE_ACCOUNT_TOKEN, Store, Transit, TransitLogin};
pub use place::{
    AgeRecipient, AwsKey, AwsRegion, Bucket, EnginePath, GoogleKey, GooglePart, Label, Prefix, Web,
};
pub use resources::{Cpu, Limits, Requests, Resources};
pub use seal::{AwsSeal, GoogleSeal, Seal, TransitSeal};

use crate::port::server::KeyKind;
use crate::{ClusterName, DnsName, Namespace, ServerName, Software, Value, Version, Zone};

/// The whole of a `VaultCluster` document. Made by `vaultyard-manifest` only.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// `metadata.name`.
    pub name: ClusterName,
    /// `metadata.namespace`: what serves stands there on Kubernetes.
    pub namespace: Namespace,
    /// `spec.servers`.
    pub servers: Servers,
    /// `spec.seal`: what opens the servers by itself. Without it Vaultyard unseals them.
    pub seal: Option<Seal>,
    /// `spec.keys`.
    pub keys: Keys,
    /// `spec.snapshots`.
    pub snapshots: Snapshots,
    /// `spec.certificates`.
    pub certificates: Certificates,
    /// `spec.dns`.
    pub dns: Dns,
    /// `spec.ingress`.
    pub ingress: Ingress,
    /// `spec.monitoring`.
    pub monitoring: Monitoring,
}

impl Cluster {
    /// Where Vaultyard keeps what is not to be lost: the keys, the snapshots.
    pub fn stores(&self) -> [&Store; 2] {
        [&self.keys.store, &self.snapshots.store]
    }

    /// Whether a service of AWS keeps any of that, or opens the keys.
    pub fn keeps_at_aws(&self) -> bool {
        matches!(self.keys.encryption, Encryption::AwsKms { .. })
            || self.stores().iter().any(|store| matches!(store, Store::S3 { .. }))
    }
}

/// What runs, how often, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Servers {
    /// Which software.
    pub software: Software,
    /// Which version; every server must report it.
    pub version: Version,
    /// The program, when the document names one; else it is looked for.
    pub binary: Option<PathBuf>,
    /// How many: 1, 3, 5, 7 or 9.
    pub replicas: Replicas,
    /// The zones, in order; empty means that the target finds them.
    pub zones: Vec<Zone>,
    /// Room for raft data of one server, in bytes. On one machine nothing enforces it.
    pub raft_bytes: u64,
    /// By how much raft is more patient than at its strictest, 1 to 10: a leader that reaches no majority
    /// for half a second times this steps down, and an election takes up to 5 s times this.
    pub performance_multiplier: u8,
    /// The StorageClass of their volumes on Kubernetes, when the document names one; else the default
    /// one there.
    pub storage_class: Option<ObjectName>,
    /// Handed to the server under what Vaultyard sets itself; always a map.
    pub configuration: Value,
    /// Annotations of the servers' account on Kubernetes, by which a cloud knows it.
    pub account_annotations: BTreeMap<String, String>,
    /// What each of them is given on Kubernetes.
    pub resources: Resources,
}

/// A number of servers: in documents an odd one, 1 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replicas(u8);

impl Replicas {
    /// What is allowed, for messages.
    pub const ALLOWED: [u8; 5] = [1, 3, 5, 7, 9];

    /// The number, when it is one of [`Self::ALLOWED`].
    pub fn new(count: u64) -> Option<Self> {
        let count = u8::try_from(count).ok()?;
        Self::ALLOWED.contains(&count).then_some(Self(count))
    }

    /// So many as there are on the way from one number to another, 1 to 9.
    fn on_the_way(count: u8) -> Self {
        Self(count.clamp(1, 9))
    }

    /// How many servers.
    pub fn count(self) -> u8 {
        self.0
    }

    /// How many of them are a majority.
    pub fn quorum(self) -> u8 {
        self.0 / 2 + 1
    }
}

/// How the unseal key is split, encrypted and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Into how many shares the unseal key is split: 1 to 255.
    pub shares: u8,
    /// How many shares unseal a server: 1 to `shares`; 1 only when there is one share.
    pub threshold: u8,
    /// What encrypts them.
    pub encryption: Encryption,
    /// Where they are kept.
    pub store: Store,
    /// The Secret of Kubernetes with the files that `encryption` names, when it is not the one of the
    /// name that is looked for by default.
    pub files_secret: Option<ObjectName>,
}

/// Which snapshots are taken by themselves, and where all are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    /// How often; `None`: not at all.
    pub interval: Option<Duration>,
    /// How many of them are kept in each place.
    pub retain: u16,
    /// Where they are kept; never Secrets, and a folder is the target's own.
    pub store: Store,
}

/// Who issues which certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Between servers, proxy and controllers.
    pub servers: Issuer,
    /// What clients see.
    pub public: Issuer,
}

/// An issuer of certificates. ACME and existing certificates come with their issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// The cluster's own certificate authority.
    PrivateCa {
        /// How long a leaf is valid; it is renewed after two thirds of this.
        lifetime: Duration,
    },
}

/// Names for what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The zone that Vaultyard answers for.
    pub zone: DnsName,
    /// The name clients use; lies in `zone`.
    pub host: DnsName,
    /// Who answers.
    pub provider: DnsProvider,
    /// Which changes are made on their own.
    pub policy: DnsPolicy,
}

/// Who answers for the zone. Others (Cloud DNS, RFC 2136, `PowerDNS`) come with their issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsProvider {
    /// The authoritative server within Vaultyard.
    Embedded,
}

/// Which changes of records are made without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsPolicy {
    /// New records only.
    CreateOnly,
    /// New and changed records.
    UpsertOnly,
    /// Deletions too.
    Sync,
}

/// The limits of the proxy. They hold for the whole cluster and are shared out among proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Requests at the leader at one time. More than about 60 can dead-lock a server's KV store.
    pub max_in_flight: u16,
    /// How long a request waits for a leader before it is answered with 503.
    pub hold: Duration,
    /// How many requests wait at one time.
    pub max_held: u32,
    /// How many bytes of bodies wait at one time.
    pub max_held_bytes: u64,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether connections begin with a PROXY protocol header (from `trusted_proxies` only).
    pub proxy_protocol: bool,
    /// Guarded operations that are open to clients all the same.
    pub open: Vec<Guarded>,
}

/// An IP network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1/128` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(most), |p| p.parse().ok())?;
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// Whether the address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn leading(address: IpAddr, prefix: u8) -> Option<u128> {
            let (bits, width) = match address {
                IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
                IpAddr::V6(v6) => (v6.to_bits(), 128),
            };
            bits.checked_shr(width - u32::from(prefix)).or(Some(0))
        }
        self.address.is_ipv4() == address.is_ipv4()
            && leading(self.address, self.prefix) == leading(address, self.prefix)
    }
}

/// Operations that the proxy refuses from outside unless the document opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarded {
    /// `sys/init`
    Init,
    /// `sys/unseal`
    Unseal,
    /// `sys/seal`
    Seal,
    /// `sys/step-down`
    StepDown,
    /// `sys/metrics`
    Metrics,
    /// `sys/storage/raft/join` and `sys/storage/raft/bootstrap/*`
    RaftJoin,
    /// `sys/rekey*` and `sys/rotate*`
    Rekey,
    /// `sys/generate-root*`
    GenerateRoot,
}

impl Guarded {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Init,
        Self::Unseal,
        Self::Seal,
        Self::StepDown,
        Self::Metrics,
        Self::RaftJoin,
        Self::Rekey,
        Self::GenerateRoot,
    ];

    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Unseal => "unseal",
            Self::Seal => "seal",
            Self::StepDown => "step-down",
            Self::Metrics => "metrics",
            Self::RaftJoin => "raft-join",
            Self::Rekey => "rekey",
            Self::GenerateRoot => "generate-root",
        }
    }
}

/// One server of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: ServerName,
    /// Where it stands.
    pub zone: Zone,
}

impl Cluster {
    /// The same cluster where so many servers stand, 1 to 9, on the way to as many as the document asks for.
    #[must_use]
    pub fn standing(&self, servers: u8) -> Self {
        let mut stands = self.clone();
        stands.servers.replicas = Replicas::on_the_way(servers);
        stands
    }

    /// The names of the servers that the document asks for.
    pub fn wanted(&self) -> BTreeSet<ServerName> {
        (0..self.servers.replicas.count()).map(|ordinal| self.name.server(ordinal)).collect()
    }

    /// What the keys of this cluster are good for.
    pub fn key_kind(&self) -> KeyKind {
        if self.seal.is_some() { KeyKind::Recovery } else { KeyKind::Unseal }
    }

    /// The first `servers` by ordinal, spread over `zones` in turn; `zones` must not be empty.
    pub fn members(&self, servers: u8, zones: &[Zone]) -> Vec<Member> {
        (0..servers)
            .zip(zones.iter().cycle())
            .map(|(ordinal, zone)| Member { name: self.name.server(ordinal), zone: zone.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_odd_numbers_up_to_nine_are_replicas() {
        assert_eq!(Replicas::new(3).map(Replicas::quorum), Some(2));
        for wrong in [0, 2, 4, 11, 300] {
            assert_eq!(Replicas::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn on_the_way_there_may_be_an_even_number() {
        assert_eq!(Replicas::on_the_way(4).quorum(), 3);
        assert_eq!((Replicas::on_the_way(0).count(), Replicas::on_the_way(99).count()), (1, 9));
    }

    #[test]
    fn a_network_contains_what_shares_its_leading_bits() {
        let ten = Network::parse("10.0.0.0/8").unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("::1".parse().unwrap()));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("1.2.3.4".parse().unwrap()));
        assert!(Network::parse("::/0").unwrap().contains("::5".parse().unwrap()));
        assert_eq!(Network::parse("10.0.0.0/33"), None);
        assert_eq!(Network::parse("10.0.0"), None);
    }
}

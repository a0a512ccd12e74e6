//! Which records a cluster has. Pure.
//!
//! | name | type | what | TTL |
//! |---|---|---|---|
//! | the zone | NS | `ns.` | 30 s |
//! | `ns.` | A | this DNS server | 30 s |
//! | the host | A | the proxy | 30 s |
//! | `vault-0.` ... | A | that server | 30 s |
//! | `active.` | A | the leader | 1 s |
//! | `standby.` | A | every standby | 1 s |
//! | `_vault._tcp.` | SRV | the proxy, by the host's name and its port | 30 s |
//! | `_vault._tcp.servers.` | SRV | every server, by its name and port | 30 s |
//! | `_vault._tcp.active.` | SRV | the leader, by its name and port | 1 s |
//! | `_vault._tcp.standby.` | SRV | every standby, by its name and port | 1 s |
//!
//! Addresses of IP version 6 are AAAA. The names of `active.` and `standby.` are there also while
//! nobody is: who asks then learns that there is no address now, not that the name is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;
use vaultyard_model::{DnsName, ServerName};

/// How long what seldom changes may be kept, in seconds.
pub const STEADY_TTL: u32 = 30;
/// How long what an election changes may be kept, in seconds.
pub const MOVING_TTL: u32 = 1;

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The zone.
    pub zone: DnsName,
    /// The name clients use; lies in the zone.
    pub host: DnsName,
    /// Where the DNS server is.
    pub dns: IpAddr,
    /// Where the proxy takes requests.
    pub proxy: SocketAddr,
    /// The servers and their API addresses, by ordinal.
    pub servers: Vec<Server>,
    /// Who leads.
    pub leader: Option<ServerName>,
    /// Who follows, unsealed.
    pub standbys: Vec<ServerName>,
}

/// All records of a zone but its SOA, which comes with a serial number when they are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    pub(crate) origin: Name,
    /// The name server that is named in the SOA.
    pub(crate) primary: Name,
    /// The mailbox that is named in the SOA.
    pub(crate) mailbox: Name,
    /// Every name that exists, also those without records.
    pub(crate) names: BTreeMap<Name, Vec<Record>>,
}

/// One record of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// NS.
    NameServer(Name),
    /// SRV, of priority and weight 0: there is no order among them.
    Service {
        /// On which port.
        port: u16,
        /// Of which name.
        target: Name,
    },
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => write!(f, "A {address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "AAAA {address}"),
            Self::NameServer(name) => write!(f, "NS {name}"),
            Self::Service { port, target } => write!(f, "SRV 0 0 {port} {target}"),
        }
    }
}

/// Why a cluster's names do not fit into DNS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name {name} is longer than DNS allows; choose a shorter zone")]
pub struct NameTooLong {
    /// The name.
    pub name: String,
}

impl Records {
    /// The records of a cluster of which this is known. A leader or standby that is not among the
    /// servers has no address, and is left out.
    ///
    /// # Errors
    /// [`NameTooLong`] when the zone's own name leaves no room for those in it.
    pub fn new(facts: &Facts) -> Result<Self, NameTooLong> {
        let zone = Namer { zone: facts.zone.as_str() };
        let mut records = Self {
            origin: absolute(facts.zone.as_str())?,
            primary: zone.name("ns")?,
            mailbox: zone.name("hostmaster")?,
            names: BTreeMap::new(),
        };
        let host = absolute(facts.host.as_str())?;
        let (primary, origin) = (records.primary.clone(), records.origin.clone());
        records.add(&origin, STEADY_TTL, Data::NameServer(primary.clone()));
        records.add(&primary, STEADY_TTL, Data::Address(facts.dns));
        records.add(&host, STEADY_TTL, Data::Address(facts.proxy.ip()));
        let proxy = Data::Service { port: facts.proxy.port(), target: host };
        records.add(&zone.name("_vault._tcp")?, STEADY_TTL, proxy);
        for (server, address) in &facts.servers {
            let name = zone.name(server.as_str())?;
            records.add(&name, STEADY_TTL, Data::Address(address.ip()));
        }
        let (leader, standbys) = (facts.found(&facts.leader), facts.found(&facts.standbys));
        records.add_services(&zone, "servers", STEADY_TTL, facts.servers.iter())?;
        records.add_group(&zone, "active", &leader)?;
        records.add_group(&zone, "standby", &standbys)?;
        Ok(records)
    }

    /// Every record with its name, in DNS order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Record)> {
        self.names.iter().flat_map(|(name, records)| records.iter().map(move |r| (name, r)))
    }

    fn add(&mut self, name: &Name, ttl: u32, data: Data) {
        self.names.entry(name.clone()).or_default().push(Record { ttl, data });
    }

    /// Addresses and services of servers that an election changes.
    fn add_group(
        &mut self,
        zone: &Namer<'_>,
        group: &str,
        servers: &[&Server],
    ) -> Result<(), NameTooLong> {
        let name = zone.name(group)?;
        self.names.entry(name.clone()).or_default();
        for (_, address) in servers {
            self.add(&name, MOVING_TTL, Data::Address(address.ip()));
        }
        self.add_services(zone, group, MOVING_TTL, servers.iter().copied())
    }

    fn add_services<'a>(
        &mut self,
        zone: &Namer<'_>,
        group: &str,
        ttl: u32,
        servers: impl Iterator<Item = &'a Server>,
    ) -> Result<(), NameTooLong> {
        let name = zone.name(&format!("_vault._tcp.{group}"))?;
        self.names.entry(name.clone()).or_default();
        for (server, address) in servers {
            let target = zone.name(server.as_str())?;
            self.add(&name, ttl, Data::Service { port: address.port(), target });
        }
        Ok(())
    }
}

/// A server and its API address.
pub type Server = (ServerName, SocketAddr);

impl Facts {
    /// Those of the servers that are known, with their addresses.
    fn found<'a>(&self, servers: impl IntoIterator<Item = &'a ServerName>) -> Vec<&Server> {
        let find = |server| self.servers.iter().find(|(name, _)| name == server);
        servers.into_iter().filter_map(find).collect()
    }
}

/// Makes names in a zone.
struct Namer<'a> {
    zone: &'a str,
}

impl Namer<'_> {
    fn name(&self, below: &str) -> Result<Name, NameTooLong> {
        absolute(&format!("{below}.{}", self.zone))
    }
}

/// The characters are right where the parts come from; only the length can be wrong here.
fn absolute(text: &str) -> Result<Name, NameTooLong> {
    Name::from_ascii(format!("{text}.")).map_err(|_| NameTooLong { name: text.to_owned() })
}

#[cfg(test)]
pub(crate) mod tests {
    use vaultyard_model::ClusterName;

    use super::*;

    pub(crate) fn server(ordinal: u8) -> ServerName {
        ClusterName::new("vault").unwrap().server(ordinal)
    }

    pub(crate) fn facts() -> Facts {
        let at = |last: u8| SocketAddr::from(([127, 0, 0, last], 8200));
        Facts {
            zone: DnsName::new("vault.test").unwrap(),
            host: DnsName::new("vault.vault.test").unwrap(),
            dns: "127.0.0.10".parse().unwrap(),
            proxy: at(10),
            servers: vec![(server(0), at(11)), (server(1), at(12)), (server(2), at(13))],
            leader: Some(server(1)),
            standbys: vec![server(0), server(2)],
        }
    }

    fn shown(facts: &Facts) -> String {
        let records = Records::new(facts).unwrap();
        let line =
            |(name, record): (&Name, &Record)| format!("{name} {} {}\n", record.ttl, record.data);
        records.iter().map(line).collect()
    }

    #[test]
    fn a_cluster_has_these_records() {
        let expected = "\
vault.test. 30 NS ns.vault.test.
_vault._tcp.vault.test. 30 SRV 0 0 8200 vault.vault.test.
active.vault.test. 1 A 127.0.0.12
_vault._tcp.active.vault.test. 1 SRV 0 0 8200 vault-1.vault.test.
ns.vault.test. 30 A 127.0.0.10
_vault._tcp.servers.vault.test. 30 SRV 0 0 8200 vault-0.vault.test.
_vault._tcp.servers.vault.test. 30 SRV 0 0 8200 vault-1.vault.test.
_vault._tcp.servers.vault.test. 30 SRV 0 0 8200 vault-2.vault.test.
standby.vault.test. 1 A 127.0.0.11
standby.vault.test. 1 A 127.0.0.13
_vault._tcp.standby.vault.test. 1 SRV 0 0 8200 vault-0.vault.test.
_vault._tcp.standby.vault.test. 1 SRV 0 0 8200 vault-2.vault.test.
vault.vault.test. 30 A 127.0.0.10
vault-0.vault.test. 30 A 127.0.0.11
vault-1.vault.test. 30 A 127.0.0.12
vault-2.vault.test. 30 A 127.0.0.13
";
        assert_eq!(shown(&facts()), expected);
    }

    #[test]
    fn without_a_leader_its_names_are_there_and_empty() {
        let facts = Facts { leader: None, standbys: Vec::new(), ..facts() };
        let records = Records::new(&facts).unwrap();
        for name in ["active.vault.test.", "_vault._tcp.standby.vault.test."] {
            let name = Name::from_ascii(name).unwrap();
            assert_eq!(records.names.get(&name), Some(&Vec::new()), "{name}");
        }
    }

    #[test]
    fn a_leader_that_is_no_server_has_no_address() {
        let facts = Facts { leader: Some(server(7)), ..facts() };
        assert!(!shown(&facts).contains("active.vault.test. 1 A"));
    }

    #[test]
    fn a_server_of_ip_version_6_has_an_aaaa_record() {
        let mut facts = facts();
        facts.servers = vec![(server(0), "[::1]:8200".parse().unwrap())];
        assert!(shown(&facts).contains("vault-0.vault.test. 30 AAAA ::1\n"));
    }

    #[test]
    fn a_zone_that_leaves_no_room_is_an_error() {
        let label = "a".repeat(61);
        let zone = DnsName::new(&[label.as_str(); 4].join(".")).unwrap();
        let facts = Facts { host: zone.clone(), zone, ..facts() };
        let error = Records::new(&facts).unwrap_err();
        assert!(error.to_string().contains("choose a shorter zone"), "{error}");
    }
}

//! Which leaf somebody needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vaultyard_model::access::Identity;
use vaultyard_model::cluster::Dns;
use vaultyard_model::{ClusterName, DnsName, ServerName};

use crate::inspect::San;

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A leaf as its holder needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it is good for, and with that which CA signs it.
    pub usage: Usage,
    /// The subject's common name; at most 64 characters (RFC 5280, appendix A.1).
    pub common_name: String,
    /// The names it is valid for.
    pub dns_names: Vec<DnsName>,
    /// The addresses it is valid for.
    pub addresses: Vec<IpAddr>,
    /// How long it is valid from the moment of its issue.
    pub lifetime: Duration,
}

/// What a leaf is good for: one thing only, so that a server's certificate logs nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
    /// It proves a server to its clients.
    Server,
    /// It proves a client to a server.
    Client,
}

impl Usage {
    /// The name of the extended key usage (RFC 5280, section 4.2.1.12).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "serverAuth",
            Self::Client => "clientAuth",
        }
    }
}

impl Wanted {
    /// The leaf of one server: valid for its own name and address, for every name under which
    /// clients may come to reach it, and for loopback.
    pub fn server(server: &ServerName, dns: &Dns, address: IpAddr, lifetime: Duration) -> Self {
        let own = [DnsName::new(server.as_str()).ok(), dns.zone.child(server.as_str()).ok()];
        Self {
            usage: Usage::Server,
            common_name: server.as_str().to_owned(),
            dns_names: own.into_iter().flatten().chain(shared_names(dns)).collect(),
            addresses: with_loopback(address),
            lifetime,
        }
    }

    /// The leaf of the proxy, which stands before all servers of the cluster.
    pub fn proxy(cluster: &ClusterName, dns: &Dns, address: IpAddr, lifetime: Duration) -> Self {
        Self {
            usage: Usage::Server,
            common_name: format!("{cluster}-proxy"),
            dns_names: shared_names(dns),
            addresses: with_loopback(address),
            lifetime,
        }
    }

    /// The leaf of one server that clients reach through the proxy alone, and whose address
    /// changes: valid for the names it has where it runs, for its own in the cluster's zone, and
    /// for loopback. It has none of those that are the proxy's.
    pub fn server_by_name(
        server: &ServerName,
        dns: &Dns,
        names: impl IntoIterator<Item = DnsName>,
        lifetime: Duration,
    ) -> Self {
        let own = [dns.zone.child(server.as_str()).ok(), DnsName::new("localhost").ok()];
        Self {
            usage: Usage::Server,
            common_name: server.as_str().to_owned(),
            dns_names: names.into_iter().chain(own.into_iter().flatten()).collect(),
            addresses: LOOPBACK.to_vec(),
            lifetime,
        }
    }

    /// The leaf of a proxy whose address changes: valid for the names it has where it runs, for
    /// every name under which clients come to the cluster, and for loopback.
    pub fn proxy_by_name(
        cluster: &ClusterName,
        dns: &Dns,
        names: impl IntoIterator<Item = DnsName>,
        lifetime: Duration,
    ) -> Self {
        Self {
            usage: Usage::Server,
            common_name: format!("{cluster}-proxy"),
            dns_names: names.into_iter().chain(shared_names(dns)).collect(),
            addresses: LOOPBACK.to_vec(),
            lifetime,
        }
    }

    /// The leaf by which somebody logs in; the common name is what the login's role is bound to.
    pub fn client(identity: Identity, lifetime: Duration) -> Self {
        Self::client_named(identity.as_str(), lifetime)
    }

    /// The leaf of a client that no login knows; who asks for it knows it by this name.
    pub fn client_named(common_name: &str, lifetime: Duration) -> Self {
        Self {
            usage: Usage::Client,
            common_name: common_name.to_owned(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            lifetime,
        }
    }

    /// The subject alternative names, sorted, each once.
    pub fn sans(&self) -> Vec<San> {
        let names = self.dns_names.iter().map(|name| San::Dns(name.as_str().to_owned()));
        let addresses = self.addresses.iter().copied().map(San::Address);
        let mut sans: Vec<San> = names.chain(addresses).collect();
        sans.sort();
        sans.dedup();
        sans
    }
}

/// The names that lead to any server, or to the proxy. A name that would be too long for DNS
/// cannot be asked for either, and is left out.
fn shared_names(dns: &Dns) -> Vec<DnsName> {
    let names = [
        Some(dns.host.clone()),
        dns.zone.child("active").ok(),
        dns.zone.child("standby").ok(),
        DnsName::new("localhost").ok(),
    ];
    names.into_iter().flatten().collect()
}

fn with_loopback(address: IpAddr) -> Vec<IpAddr> {
    let mut addresses = vec![address];
    addresses.extend(LOOPBACK.into_iter().filter(|other| *other != address));
    addresses
}

#[cfg(test)]
mod tests {
    use vaultyard_model::cluster::{DnsPolicy, DnsProvider};

    use super::*;

    fn dns() -> Dns {
        Dns {
            zone: DnsName::new("vault.test").unwrap(),
            host: DnsName::new("vault.vault.test").unwrap(),
            provider: DnsProvider::Embedded,
            policy: DnsPolicy::UpsertOnly,
        }
    }

    fn shown(wanted: &Wanted) -> Vec<String> {
        wanted.sans().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_server_is_valid_for_every_name_under_which_it_is_reached() {
        let server = ClusterName::new("vault").unwrap().server(0);
        let address = "127.0.0.11".parse().unwrap();
        let wanted = Wanted::server(&server, &dns(), address, Duration::from_secs(3_600));
        let expected = [
            "active.vault.test",
            "localhost",
            "standby.vault.test",
            "vault-0",
            "vault-0.vault.test",
            "vault.vault.test",
            "127.0.0.1",
            "127.0.0.11",
            "::1",
        ];
        assert_eq!(shown(&wanted), expected);
    }

    #[test]
    fn the_proxy_has_no_name_of_a_server() {
        let cluster = ClusterName::new("vault").unwrap();
        let address = "127.0.0.1".parse().unwrap();
        let wanted = Wanted::proxy(&cluster, &dns(), address, Duration::from_secs(3_600));
        assert_eq!(wanted.common_name, "vault-proxy");
        assert!(!shown(&wanted).contains(&"vault-0".to_owned()));
        assert_eq!(wanted.addresses.len(), 2);
    }

    fn names(texts: &[&str]) -> Vec<DnsName> {
        texts.iter().map(|text| DnsName::new(text).unwrap()).collect()
    }

    #[test]
    fn a_server_behind_the_proxy_has_no_name_of_the_proxy() {
        let server = ClusterName::new("vault").unwrap().server(0);
        let given = names(&["vault-0", "vault-0.vault-servers.vault.svc"]);
        let wanted = Wanted::server_by_name(&server, &dns(), given, Duration::from_secs(3_600));
        let expected = [
            "localhost",
            "vault-0",
            "vault-0.vault-servers.vault.svc",
            "vault-0.vault.test",
            "127.0.0.1",
            "::1",
        ];
        assert_eq!(shown(&wanted), expected);
    }

    #[test]
    fn a_proxy_without_an_address_has_its_own_names_and_those_of_clients() {
        let cluster = ClusterName::new("vault").unwrap();
        let given = names(&["vault", "vault.vault.svc", "localhost"]);
        let wanted = Wanted::proxy_by_name(&cluster, &dns(), given, Duration::from_secs(3_600));
        let expected = [
            "active.vault.test",
            "localhost",
            "standby.vault.test",
            "vault",
            "vault.vault.svc",
            "vault.vault.test",
            "127.0.0.1",
            "::1",
        ];
        assert_eq!(shown(&wanted), expected);
    }

    #[test]
    fn a_client_is_known_by_its_common_name_alone() {
        let wanted = Wanted::client(Identity::Vaultyard, Duration::from_secs(3_600));
        assert_eq!(wanted.common_name, "vaultyard");
        assert!(wanted.sans().is_empty());
    }
}

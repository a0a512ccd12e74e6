//! Where something listens, as a client connects to it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::DnsName;

/// Host and port: `127.0.0.11:8200` on one machine, a name of the cluster's DNS on Kubernetes, where
/// an address lives no longer than its pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

/// What a connection is made to, and what the certificate there must be valid for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// A name that is resolved anew for each connection.
    Name(DnsName),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip()), port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_urls_have_it() {
        let shown = |address: &str| Address::from(address.parse::<SocketAddr>().unwrap());
        assert_eq!(shown("127.0.0.11:8200").to_string(), "127.0.0.11:8200");
        assert_eq!(shown("[::1]:8200").to_string(), "[::1]:8200");
        let host = Host::Name(DnsName::new("vault-0.vault-servers.vault.svc").unwrap());
        let named = Address { host, port: 8200 };
        assert_eq!(named.to_string(), "vault-0.vault-servers.vault.svc:8200");
    }
}

//! Which address everything of a local cluster has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::cluster::{Cluster, Member};
use crate::{Address, ServerName, Zone};

/// The API port of every server and of the proxy, as everybody knows it.
pub const API_PORT: u16 = 8200;
/// The port between servers.
pub const CLUSTER_PORT: u16 = 8201;
/// The port of Vaultyard's own metrics, beside the proxy.
pub const METRICS_PORT: u16 = 8202;
/// The port of the embedded DNS server: unprivileged, and not that of multicast DNS.
pub const DNS_PORT: u16 = 8053;

/// The broadcast address of 127.0.0.0/8: nothing can listen on it.
const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// Addresses of one cluster on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where clients go.
    pub proxy: SocketAddr,
    /// The embedded DNS server, UDP and TCP.
    pub dns: SocketAddr,
    /// `/metrics` of Vaultyard itself.
    pub metrics: SocketAddr,
    /// The servers, by ordinal.
    pub servers: Vec<Place>,
}

/// Where one server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: ServerName,
    /// Its zone.
    pub zone: Zone,
    /// Its API.
    pub api: SocketAddr,
    /// Raft and request forwarding.
    pub cluster: SocketAddr,
}

/// Where one server stands and is reached, on any target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: ServerName,
    /// Its zone; `None` while that is not known.
    pub zone: Option<Zone>,
    /// Its API.
    pub address: Address,
}

/// Why a layout cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The address is not one of this machine alone.
    #[error("{0} is not a loopback address; choose one in 127.0.0.0/8")]
    NotLoopback(Ipv4Addr),
    /// The servers' addresses would run past the end of 127.0.0.0/8.
    #[error("{0} leaves no room for the servers' addresses behind it")]
    NoRoom(Ipv4Addr),
}

impl Layout {
    /// Everything from `first` on: each server on an address of its own behind it, or, when
    /// `first` is 127.0.0.1, which every platform has, on ports of that one address.
    ///
    /// # Errors
    /// [`LayoutError`] when `first` is not a loopback address or too few follow it.
    pub fn beginning_at(cluster: &Cluster, first: Ipv4Addr) -> Result<Self, LayoutError> {
        Self::of_servers(cluster, cluster.servers.replicas.count(), first)
    }

    /// The same where other servers stand than the document asks for: the first so many.
    ///
    /// # Errors
    /// [`LayoutError`]
    pub fn of_servers(
        cluster: &Cluster,
        servers: u8,
        first: Ipv4Addr,
    ) -> Result<Self, LayoutError> {
        let members = local_members(cluster, servers);
        if first == Ipv4Addr::LOCALHOST {
            return Ok(Self::by_port(members, first));
        }
        Self::by_address(members, first)
    }

    /// The proxy and the DNS server on `first`, the servers on the addresses behind it: each with
    /// the ports that everybody knows. With the default, 127.0.0.10, server 0 is 127.0.0.11.
    ///
    /// # Errors
    /// [`LayoutError`] when `first` is not a loopback address or too few follow it.
    fn by_address(members: Vec<Member>, first: Ipv4Addr) -> Result<Self, LayoutError> {
        if !first.is_loopback() {
            return Err(LayoutError::NotLoopback(first));
        }
        let place = |member: Member| {
            let behind = u32::from(member.name.ordinal()) + 1;
            let address = Ipv4Addr::from_bits(first.to_bits() + behind);
            if !address.is_loopback() || address == LOOPBACK_BROADCAST {
                return Err(LayoutError::NoRoom(first));
            }
            let ip = IpAddr::V4(address);
            Ok(Place {
                name: member.name,
                zone: member.zone,
                api: SocketAddr::new(ip, API_PORT),
                cluster: SocketAddr::new(ip, CLUSTER_PORT),
            })
        };
        let ip = IpAddr::V4(first);
        Ok(Self {
            proxy: SocketAddr::new(ip, API_PORT),
            dns: SocketAddr::new(ip, DNS_PORT),
            metrics: SocketAddr::new(ip, METRICS_PORT),
            servers: members.into_iter().map(place).collect::<Result<_, _>>()?,
        })
    }

    /// Everything on one address, for platforms whose loopback has only one: the proxy on 8200,
    /// server 0 on 8210 and 8211, server 1 on 8220 and 8221, and so on.
    fn by_port(members: Vec<Member>, address: Ipv4Addr) -> Self {
        let ip = IpAddr::V4(address);
        let place = |member: Member| {
            let api = API_PORT + 10 * (u16::from(member.name.ordinal()) + 1);
            Place {
                name: member.name,
                zone: member.zone,
                api: SocketAddr::new(ip, api),
                cluster: SocketAddr::new(ip, api + 1),
            }
        };
        Self {
            proxy: SocketAddr::new(ip, API_PORT),
            dns: SocketAddr::new(ip, DNS_PORT),
            metrics: SocketAddr::new(ip, METRICS_PORT),
            servers: members.into_iter().map(place).collect(),
        }
    }

    /// The URL clients use.
    pub fn url(&self) -> String {
        format!("https://{}", self.proxy)
    }

    /// Where the servers are, for those who only connect.
    pub fn sites(&self) -> Vec<Site> {
        let site = |place: &Place| Site {
            name: place.name.clone(),
            zone: Some(place.zone.clone()),
            address: place.api.into(),
        };
        self.servers.iter().map(site).collect()
    }

    /// Where the server with this name is.
    pub fn place(&self, name: &ServerName) -> Option<&Place> {
        self.servers.iter().find(|place| place.name == *name)
    }

    /// Every address that something will listen on, each with what it is for.
    pub fn listeners(&self) -> Vec<(SocketAddr, String)> {
        let mut all = vec![
            (self.proxy, "the proxy".to_owned()),
            (self.dns, "the DNS server".to_owned()),
            (self.metrics, "the metrics".to_owned()),
        ];
        for place in &self.servers {
            all.push((place.api, format!("the API of {}", place.name)));
            all.push((place.cluster, format!("the cluster port of {}", place.name)));
        }
        all
    }
}

/// The members on one machine: in the document's zones, else in the pretended zones a, b, c ...,
/// one for each server.
fn local_members(cluster: &Cluster, servers: u8) -> Vec<Member> {
    if cluster.servers.zones.is_empty() {
        let letters = ('a'..='i').filter_map(|letter| Zone::new(&letter.to_string()).ok());
        return cluster.members(servers, &letters.collect::<Vec<_>>());
    }
    cluster.members(servers, &cluster.servers.zones)
}

//! What a proxy is told.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use vaultyard_model::cluster::Proxy as Limits;
use vaultyard_model::{Address, ServerName};

use crate::gate::Room;

/// What a proxy is told. Certificates and trust are arguments of [`crate::Proxy::bind`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients come in. Port 0 takes a free one; [`crate::Proxy::address`] says which.
    pub listen: SocketAddr,
    /// The limits, which hold for the whole cluster.
    pub limits: Limits,
    /// Among how many proxies the limits are shared out.
    pub proxies: NonZeroU16,
    /// The servers.
    pub servers: Vec<Server>,
}

/// One server, as the proxy reaches it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// Its API address.
    pub address: Address,
    /// The DNS name or address that its certificate must be valid for.
    pub tls_name: String,
}

/// Long answers that are passed on at one time, by one proxy. They cost the server little (a
/// snapshot, a log, a file of the web page), and the proxy a connection each.
const LONG_ANSWERS: u64 = 64;
/// The least that all heads of requests in one proxy may take together, in bytes.
const HEADS: u64 = 64 << 20;
/// What an ordinary head takes at most, in bytes: as many of these as may wait fit in any case.
const HEAD: u64 = 4 << 10;

impl Config {
    /// Divides the limits: of the slots a tenth, and at least one, is for bodies that are passed on
    /// while they arrive. Each kind has at least one, so that the least is two in all.
    pub(crate) fn room(&self) -> Room {
        let proxies = u64::from(self.proxies.get());
        let slots = (u64::from(self.limits.max_in_flight) / proxies).max(2);
        let streamed = (slots / 10).max(1);
        Room {
            whole: slots - streamed,
            streamed,
            held: (u64::from(self.limits.max_held) / proxies).max(1),
            long_answers: LONG_ANSWERS,
        }
    }

    /// The bytes of bodies that this proxy may hold.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.limits.max_held_bytes / u64::from(self.proxies.get())
    }

    /// The bytes of heads that this proxy may have, of requests that wait and of all others.
    pub(crate) fn head_bytes(&self) -> u64 {
        HEADS.max(self.room().held * HEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config(max_in_flight: u16, max_held: u32, proxies: u16) -> Config {
        let limits = Limits {
            max_in_flight,
            hold: Duration::from_secs(1),
            max_held,
            max_held_bytes: 1,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            open: Vec::new(),
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let proxies = NonZeroU16::new(proxies).unwrap();
        Config { listen, limits, proxies, servers: Vec::new() }
    }

    fn slots(max_in_flight: u16, proxies: u16) -> (u64, u64) {
        let room = config(max_in_flight, 1, proxies).room();
        (room.whole, room.streamed)
    }

    #[test]
    fn slots_are_shared_out_among_proxies_and_kinds_of_bodies() {
        assert_eq!(slots(40, 1), (36, 4));
        assert_eq!(slots(40, 3), (12, 1));
        assert_eq!(slots(1, 1), (1, 1));
    }

    #[test]
    fn ordinary_heads_of_all_that_may_wait_have_room() {
        assert_eq!(config(40, 1_024, 1).head_bytes(), 64 << 20);
        assert_eq!(config(40, 65_536, 1).head_bytes(), 256 << 20);
        assert_eq!(config(40, 65_536, 2).head_bytes(), 128 << 20);
    }
}

//! Addresses: free before anything starts, and free ones for throw-away clusters.

mod holder;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use vaultyard_model::layout::{LayoutError, Place};
use vaultyard_model::port::clock::Random;
use vaultyard_model::{Cluster, Layout};

pub use holder::{Holder, Transport};

/// An address that something of the cluster needs and cannot have.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Somebody has it.
    #[error("{address} ({transport}), needed for {purpose}, is in use{}", shown(holder.as_ref()))]
    InUse {
        /// The address.
        address: SocketAddr,
        /// TCP or UDP.
        transport: Transport,
        /// What needs it.
        purpose: String,
        /// Who has it, when that can be seen.
        holder: Option<Holder>,
    },
    /// The machine does not have it, or does not give it to us.
    #[error("{address} ({transport}), needed for {purpose}, cannot be had")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// TCP or UDP.
        transport: Transport,
        /// What needs it.
        purpose: String,
        /// What the operating system said.
        source: io::Error,
    },
}

fn shown(holder: Option<&Holder>) -> String {
    holder
        .map(|Holder { pid, program }| format!(" by {program} (process {pid})"))
        .unwrap_or_default()
}

/// Tries every address of the layout and gives back all that cannot be had.
pub fn check(layout: &Layout) -> Vec<Unavailable> {
    let mut unavailable = Vec::new();
    for (address, purpose) in layout.listeners() {
        if address == layout.dns {
            unavailable.extend(try_one(address, Transport::Udp, &purpose));
        }
        unavailable.extend(try_one(address, Transport::Tcp, &purpose));
    }
    unavailable
}

/// Tries the addresses of one server, for each start of it: a server whose cluster port is taken
/// would run on without it.
pub fn check_place(place: &Place) -> Vec<Unavailable> {
    let api = try_one(place.api, Transport::Tcp, &format!("the API of {}", place.name));
    let purpose = format!("the cluster port of {}", place.name);
    api.into_iter().chain(try_one(place.cluster, Transport::Tcp, &purpose)).collect()
}

fn try_one(address: SocketAddr, transport: Transport, purpose: &str) -> Option<Unavailable> {
    let bound = match transport {
        Transport::Tcp => TcpListener::bind(address).map(drop),
        Transport::Udp => UdpSocket::bind(address).map(drop),
    };
    let source = bound.err()?;
    let purpose = purpose.to_owned();
    Some(if source.kind() == io::ErrorKind::AddrInUse {
        let holder = holder::find(address, transport);
        Unavailable::InUse { address, transport, purpose, holder }
    } else {
        Unavailable::Refused { address, transport, purpose, source }
    })
}

/// Why no block of addresses was found.
#[derive(Debug, thiserror::Error)]
pub enum NoBlock {
    /// There is no randomness to choose with.
    #[error("cannot choose addresses at random: {0}")]
    Random(String),
    /// The layout does not fit.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// All that were tried were taken; the last one says why.
    #[error("found no free block of loopback addresses in {TRIES} tries")]
    Taken(#[source] Unavailable),
}

/// How many blocks are tried. One is nearly always enough: there are half a million.
const TRIES: usize = 32;

/// A first address for a throw-away cluster, at random in 127.32.0.0 to 127.254.255.255, with
/// every address that the cluster needs free behind it. Nothing keeps it free: whoever starts
/// servers there soon has it.
///
/// # Errors
/// [`NoBlock`]
pub fn free_block(cluster: &Cluster, random: &dyn Random) -> Result<Ipv4Addr, NoBlock> {
    let mut last = None;
    for _ in 0..TRIES {
        let mut bytes = [0; 3];
        random.fill(&mut bytes).map_err(NoBlock::Random)?;
        let first = block(bytes);
        match check(&Layout::beginning_at(cluster, first)?).pop() {
            None => return Ok(first),
            taken => last = taken,
        }
    }
    // `TRIES` is not 0, so there was a last one.
    match last {
        Some(taken) => Err(NoBlock::Taken(taken)),
        None => Err(NoBlock::Random("no try was made".to_owned())),
    }
}

/// Blocks are sixteen addresses long and begin at 16, 32, ... 224, so that they never overlap and
/// never touch .0 or .255.
fn block([second, third, fourth]: [u8; 3]) -> Ipv4Addr {
    Ipv4Addr::new(127, 32 + second % 223, third, 16 * (1 + fourth % 14))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::sample;

    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }
    }

    #[test]
    fn blocks_lie_within_their_bounds() {
        assert_eq!(block([0, 0, 0]), Ipv4Addr::new(127, 32, 0, 16));
        assert_eq!(block([222, 255, 13]), Ipv4Addr::new(127, 254, 255, 224));
        assert_eq!(block([223, 255, 14]), Ipv4Addr::new(127, 32, 255, 16));
    }

    #[test]
    fn an_address_in_use_is_reported_with_its_purpose_and_holder() {
        let cluster = vaultyard_testkit::sample::cluster(3);
        let first = free_block(&cluster, &sample::Dice).unwrap();
        let layout = Layout::beginning_at(&cluster, first).unwrap();
        let _tcp = TcpListener::bind(layout.servers[1].cluster).unwrap();
        let _udp = UdpSocket::bind(layout.dns).unwrap();
        let shown: Vec<_> = check(&layout).iter().map(ToString::to_string).collect();
        let own = format!("(process {})", std::process::id());
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown[0].contains("(UDP), needed for the DNS server, is in use by"), "{shown:?}");
        assert!(shown[1].contains("the cluster port of vault-1"), "{shown:?}");
        assert!(shown.iter().all(|line| line.ends_with(&own)), "{shown:?}");
    }

    #[test]
    fn an_address_taken_on_all_interfaces_is_in_use() {
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let address = SocketAddr::new(
            Ipv4Addr::new(127, 44, 3, 2).into(),
            everywhere.local_addr().unwrap().port(),
        );
        let found = try_one(address, Transport::Tcp, "the proxy").unwrap().to_string();
        assert!(found.contains(&format!("process {}", std::process::id())), "{found}");
    }

    #[test]
    fn an_address_that_the_machine_does_not_have_is_refused() {
        let address = "192.0.2.1:8200".parse().unwrap();
        let found = try_one(address, Transport::Tcp, "the proxy");
        assert!(matches!(found, Some(Unavailable::Refused { .. })));
    }

    #[test]
    fn a_taken_block_is_passed_over() {
        let cluster = vaultyard_testkit::sample::cluster(3);
        let random = Counting(AtomicU8::new(100));
        let first = free_block(&cluster, &random).unwrap();
        let _taken = TcpListener::bind((first, 8200)).unwrap();
        let random = Counting(AtomicU8::new(random.0.into_inner() - 1));
        assert_ne!(free_block(&cluster, &random).unwrap(), first);
    }
}

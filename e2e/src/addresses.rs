//! Free blocks of loopback addresses.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// How many addresses a cluster takes at most: the proxy's and those of nine servers.
const BLOCK: u8 = 10;
/// API, cluster, metrics and DNS: what Vaultyard listens on.
const PORTS: [u16; 4] = [8200, 8201, 8202, 8053];

/// The first address of a block on which nothing listens. Blocks differ within a process by a
/// counter and between processes by their id; what is taken all the same is passed over.
pub(crate) fn free_block() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 50_000).unwrap_or_default();
    loop {
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(count < 5_000, "no free block of loopback addresses was found");
        let [high, low] = process.wrapping_add(count.wrapping_mul(251)).to_be_bytes();
        // 127.0 and 127.1 are left to people and to what the machine itself has there.
        let first = Ipv4Addr::new(127, high.max(2), low, 10);
        if is_free(first) {
            return first;
        }
    }
}

fn is_free(first: Ipv4Addr) -> bool {
    let [a, b, c, d] = first.octets();
    (0..BLOCK).all(|offset| {
        let address = Ipv4Addr::new(a, b, c, d + offset);
        PORTS.iter().all(|port| TcpListener::bind((address, *port)).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_in_use_is_passed_over() {
        let one = free_block();
        let _taken = TcpListener::bind((one, 8200)).unwrap();
        assert!(!is_free(one));
        assert_ne!(free_block(), one);
    }
}

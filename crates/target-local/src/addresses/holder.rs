//! Which process holds an address: what `/proc` tells, as far as we may look.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The protocol of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, listening.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, at most 15 characters of it.
    pub program: String,
}

/// Finds the holder; `None` also when it belongs to another user, whose files we may not see.
pub(super) fn find(address: SocketAddr, transport: Transport) -> Option<Holder> {
    let tables = match transport {
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let inode = tables.iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().filter_map(|line| parse(line, transport)).find_map(|(held, inode)| {
            let same = held.ip() == address.ip() || held.ip().is_unspecified();
            (same && held.port() == address.port()).then(|| inode.to_owned())
        })
    })?;
    owner(&format!("socket:[{inode}]"))
}

/// The process that has the socket among its open files.
fn owner(socket: &str) -> Option<Holder> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find_map(|pid| {
        let mut files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        files.find(|file| {
            std::fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == socket)
        })?;
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(Holder { pid, program: program.trim_end().to_owned() })
    })
}

/// The local address and the inode in a line of `/proc/net/tcp` and its kin (proc_pid_net(5)), for
/// a socket that keeps others from the address.
fn parse(line: &str, transport: Transport) -> Option<(SocketAddr, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    // 0A is TCP_LISTEN; a UDP socket has no such state.
    if transport == Transport::Tcp && state != "0A" {
        return None;
    }
    let inode = fields.nth(5)?;
    let (ip, port) = local.split_once(':')?;
    Some((SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?), inode))
}

/// Four bytes at a time, each in the order of the machine.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_read() {
        let line = "   0: 0B00007F:2008 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                    1000        0 4242 1 0000000000000000 100 0 0 10 0";
        let found = parse(line, Transport::Tcp);
        assert_eq!(found, Some(("127.0.0.11:8200".parse().unwrap(), "4242")));
        assert_eq!(parse(&line.replace(" 0A ", " 01 "), Transport::Tcp), None);
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when";
        assert_eq!(parse(header, Transport::Tcp), None);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let long = "00000000000000000000000001000000";
        assert_eq!(address(long), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(address("0100007F"), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(address("01"), None);
    }
}

//! One state, one Vaultyard.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use vaultyard_e2e::{Cluster, Home};

#[test]
fn a_second_up_on_the_same_state_is_refused_with_the_pid_of_the_first() {
    let mut cluster = Cluster::new();
    let first = cluster.up().id().to_string();
    let mut second = cluster.home().up(&[]);
    assert_eq!(second.wait(Duration::from_secs(10)).code(), Some(1), "{}", second.said());
    assert!(second.said().contains(&first), "{}", second.said());
    cluster.wait_until_ready();
}

#[test]
fn ports_in_use_are_named_before_anything_is_started() {
    let home = Home::new();
    let [a, b, c, first] = home.address().octets();
    let server = Ipv4Addr::new(a, b, c, first + 1);
    // The proxy, the DNS server, a server's API, and its cluster port: a server that cannot have
    // that one runs on all the same.
    let places = [(home.address(), 8200), (home.address(), 8053), (server, 8200), (server, 8201)];
    let taken = places.map(|place| TcpListener::bind(place).unwrap());
    let mut up = home.up(&[]);
    assert_eq!(up.wait(Duration::from_secs(10)).code(), Some(1), "{}", up.said());
    for listener in taken {
        let address = listener.local_addr().unwrap().to_string();
        assert!(up.said().contains(&address), "{address} is missing:\n{}", up.said());
    }
    assert!(!home.state().exists(), "something was changed");
}

#[test]
fn destroy_asks_for_the_name_and_then_leaves_nothing() {
    let home = Cluster::new().stop();
    assert_eq!(home.run(&["destroy", "--yes", "other"]).code, Some(2));
    assert!(home.state().exists());
    let _ = home.run(&["destroy", "--yes", "vault"]).done();
    let left = std::fs::read_dir(home.state()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something is left of the state");
}

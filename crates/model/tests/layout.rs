//! Which addresses a layout gives.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use vaultyard_model::Layout;
use vaultyard_model::layout::LayoutError;
use vaultyard_testkit::sample::cluster;

#[test]
fn servers_stand_on_the_addresses_behind_the_first() {
    let layout = Layout::beginning_at(&cluster(3), [127, 0, 0, 10].into()).unwrap();
    assert_eq!(layout.proxy.to_string(), "127.0.0.10:8200");
    assert_eq!(layout.servers[2].api.to_string(), "127.0.0.13:8200");
    assert_eq!(layout.servers[2].zone.as_str(), "c");
}

#[test]
fn one_address_is_enough_for_nine_servers() {
    let layout = Layout::beginning_at(&cluster(9), Ipv4Addr::LOCALHOST).unwrap();
    let listeners = layout.listeners();
    let ports: BTreeSet<u16> = listeners.iter().map(|(address, _)| address.port()).collect();
    assert_eq!(ports.len(), listeners.len());
    assert!(listeners.iter().all(|(address, _)| address.ip() == Ipv4Addr::LOCALHOST));
}

#[test]
fn the_end_of_the_loopback_network_is_seen() {
    let last = Ipv4Addr::new(127, 255, 255, 252);
    assert_eq!(Layout::beginning_at(&cluster(3), last), Err(LayoutError::NoRoom(last)));
    let elsewhere = Ipv4Addr::new(10, 0, 0, 1);
    let error = Layout::beginning_at(&cluster(3), elsewhere);
    assert_eq!(error, Err(LayoutError::NotLoopback(elsewhere)));
}

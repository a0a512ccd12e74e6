//! One state, one Vaultyard.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use vaultyard_e2e::{Cluster, Home, wait};

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

#[test]
fn one_that_still_fetches_says_so_and_can_be_stopped() {
    let home = Home::new();
    let silent_index = TcpListener::bind((home.address(), 0)).unwrap();
    let index = format!("http://{}/simple", silent_index.local_addr().unwrap());
    std::fs::create_dir_all(home.folder().join(".config/pip")).unwrap();
    home.write(".config/pip/pip.conf", &format!("[global]\nindex-url = {index}\n"));
    let document = home.write(
        "cluster.yaml",
        "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata: {name: vault}\n\
         spec: {servers: {version: 2.6.2}}\n",
    );
    let mut up = home.up(&["-f", &document.display().to_string()]);
    wait("it fetches", Duration::from_secs(30), || up.said().contains("fetching").then_some(()));

    let status = home.run(&["status"]);
    assert_eq!(status.code, Some(1), "{status:#?}");
    assert!(status.stderr.contains("has only begun"), "{status:#?}");
    let second = home.run(&["up"]);
    assert_eq!(second.code, Some(1), "{second:#?}");
    assert!(second.stderr.contains(&up.id().to_string()), "{second:#?}");
    let _ = home.run(&["down"]).done();
    assert_eq!(up.wait(Duration::from_secs(10)).code(), Some(130), "{}", up.said());
}

#[test]
fn check_refuses_what_the_existing_cluster_cannot_follow() {
    let home = Cluster::new().stop();
    let _ = home.run(&["check"]).done();
    for (changed, words) in [
        ("metadata: {name: other}\nspec: {}", "other"),
        ("metadata: {name: vault}\nspec: {keys: {shares: 7}}", "spec.keys.shares"),
    ] {
        let content =
            format!("apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\n{changed}\n");
        let file = home.write("changed.yaml", &content).display().to_string();
        let said = home.run(&["check", "-f", &file]);
        assert_eq!(said.code, Some(2), "{said:#?}");
        assert!(said.stderr.contains(words), "{said:#?}");
    }
}

//! The embedded DNS server, asked by an independent program.

use std::time::{Duration, Instant};

use vaultyard_e2e::{Cluster, SERVERS, Said, Status, wait};

/// `dig` with these words, at the cluster's DNS server.
fn dig(cluster: &Cluster, words: &str) -> Said {
    let address = cluster.home().address();
    cluster.home().shell(&format!("dig @{address} -p 8053 +time=2 +tries=1 {words}"))
}

/// The addresses of a name, sorted.
fn addresses(cluster: &Cluster, name: &str) -> Vec<String> {
    let said = dig(cluster, &format!("+short {name} A")).done();
    let mut found: Vec<String> = said.lines().map(str::to_owned).collect();
    found.sort();
    found
}

/// The IP addresses of the servers with this role, sorted.
fn of_role(status: &Status, role: &str) -> Vec<String> {
    let servers = status.servers.iter().filter(|server| server.role == role);
    let ip = |address: &str| {
        let host = address.trim_start_matches("https://");
        host.split(':').next().unwrap_or(host).to_owned()
    };
    let mut found: Vec<String> = servers.map(|server| ip(&server.address)).collect();
    found.sort();
    found
}

#[test]
fn every_name_is_answered_and_the_leader_has_one_that_follows_it() {
    let mut cluster = Cluster::new();
    let status = cluster.wait_until_ready();
    let proxy = cluster.home().address().to_string();
    assert_eq!(addresses(&cluster, "vault.vault.test"), [proxy]);
    for name in SERVERS {
        assert_eq!(addresses(&cluster, &format!("{name}.vault.test")).len(), 1, "{name}");
    }
    assert_eq!(addresses(&cluster, "active.vault.test"), of_role(&status, "leader"));
    assert_eq!(addresses(&cluster, "standby.vault.test"), of_role(&status, "standby"));

    let old = cluster.leader();
    cluster.kill(&[&old]);
    let status = cluster.wait_for("led by another", |_, status| {
        status.leader().is_some_and(|leader| leader != old)
    });
    let began = Instant::now();
    let leader = of_role(&status, "leader");
    wait("the name follows the leader", Duration::from_secs(5), || {
        (addresses(&cluster, "active.vault.test") == leader).then_some(())
    });
    let late = began.elapsed();
    assert!(late < Duration::from_secs(2), "the name followed after {late:?}");
}

#[test]
fn what_is_not_there_is_denied_with_authority() {
    let cluster = Cluster::new();
    let absent = dig(&cluster, "nobody.vault.test A").done();
    assert!(absent.contains("status: NXDOMAIN") && absent.contains("SOA"), "{absent}");
    let no_such_type = dig(&cluster, "vault.vault.test AAAA").done();
    assert!(no_such_type.contains("status: NOERROR"), "{no_such_type}");
    assert!(no_such_type.contains("ANSWER: 0") && no_such_type.contains("SOA"), "{no_such_type}");
    let foreign = dig(&cluster, "example.org A").done();
    assert!(foreign.contains("status: REFUSED"), "{foreign}");
}

#[test]
fn it_speaks_tcp_and_names_itself() {
    let cluster = Cluster::new();
    let start = dig(&cluster, "+tcp vault.test SOA").done();
    assert!(start.contains("flags: qr aa") && start.contains("ANSWER: 1"), "{start}");
    let servers = dig(&cluster, "+tcp +short vault.test NS").done();
    assert!(!servers.trim().is_empty());
}

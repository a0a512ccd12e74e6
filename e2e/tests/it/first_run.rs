//! What a new user does, word for word, and what he finds.

use std::time::Duration;

use vaultyard_e2e::{Cluster, Home, SERVERS, wait};

#[test]
fn a_secret_written_on_the_first_run_is_there_on_the_second() {
    let cluster = Cluster::new();
    let line = "eval \"$(vaultyard env)\"; vaultyard login; bao kv put secret/hello name=world";
    let _ = cluster.home().shell(line).done();

    let cluster = cluster.restart();
    let line = "eval \"$(vaultyard env)\"; vaultyard login; bao kv get -field=name secret/hello";
    assert_eq!(cluster.home().shell(line).done().trim(), "world");
}

#[test]
fn status_tells_programs_everything_that_the_readme_promises() {
    let mut cluster = Cluster::new();
    let status = cluster.wait_until_ready();

    assert_eq!((status.name.as_str(), status.target.as_str()), ("vault", "local"));
    assert!(status.address.contains(&cluster.home().address().to_string()), "{status:#?}");
    assert_eq!(status.servers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), SERVERS);
    assert_eq!(status.named("leader").count(), 1);
    assert_eq!(status.named("standby").count(), 2);
    let mut zones: Vec<_> = status.servers.iter().map(|server| &server.zone).collect();
    zones.dedup();
    assert_eq!(zones.len(), 3, "one server a zone");
    for server in &status.servers {
        assert_eq!(server.version.as_deref(), Some("2.7.2"));
        assert_eq!((server.initialized, server.sealed), (Some(true), Some(false)));
        assert_eq!(server.voter, Some(true));
        assert!(server.applied_index > Some(0));
        let certificate = server.certificate.as_ref().unwrap();
        assert!(!certificate.serial.is_empty() && !certificate.not_after.is_empty());
    }
    assert!(status.controllers.iter().any(|controller| controller.name == "unsealer"));
    assert_eq!(status.holds("KeyBesideData"), Some(true));
    assert_eq!(status.holds("RootTokenRevoked"), Some(true));
}

#[test]
fn the_last_lines_of_up_say_what_to_do_next() {
    let mut cluster = Cluster::new();
    let said = cluster.up().said();
    for word in ["vaultyard status", "vaultyard env", "vaultyard login", "bao kv put"] {
        assert!(said.contains(word), "{word:?} is missing:\n{said}");
    }
}

#[test]
fn an_interrupt_before_it_is_ready_ends_it_with_130_and_the_next_up_works() {
    let home = Home::new();
    let mut up = home.up(&[]);
    let processes = home.processes();
    wait("a server runs", Duration::from_secs(30), || processes.servers().first().copied());
    up.interrupt();
    assert_eq!(up.wait(Duration::from_secs(60)).code(), Some(130), "{}", up.said());
    assert!(processes.servers().is_empty());

    Cluster::of(home, &[]).keys_verify();
}

#[test]
fn a_second_interrupt_stops_at_once() {
    let mut cluster = Cluster::new();
    let up = cluster.up();
    up.interrupt();
    wait("the first is understood", Duration::from_secs(10), || {
        up.said().contains("Ctrl-C").then_some(())
    });
    up.interrupt();
    let _ = up.wait(Duration::from_secs(2));
}

#[test]
fn detached_it_returns_when_ready_and_down_stops_it() {
    let home = Home::new();
    let mut up = home.up(&["--detach"]);
    assert_eq!(up.wait(Duration::from_secs(120)).code(), Some(0), "{}", up.said());
    assert!(home.run(&["status", "--output", "json"]).done().contains("Ready"));

    let _ = home.run(&["down"]).done();
    assert!(home.processes().servers().is_empty());
}

//! What a new user does, word for word, and what he finds.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use vaultyard_e2e::{Cluster, Home, SERVERS, wait};

/// The commands that `up` proposes at its end.
fn proposed(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| *line != "In another terminal:").skip(1);
    let commands = lines.by_ref().take_while(|line| !line.is_empty());
    commands.map(str::trim_start).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_up_proposes_works_word_for_word_and_the_secret_survives_a_restart() {
    let mut cluster = Cluster::new();
    let commands = proposed(&cluster.up().said());
    for word in ["vaultyard status", "vaultyard login", "bao kv put"] {
        assert!(commands.contains(word), "{word:?} is missing:\n{commands}");
    }
    let shown = cluster.home().new_terminal(&commands).done();
    assert!(shown.contains("Ready") && shown.contains("world"), "{commands}\n{shown}");

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
    let mut zones: Vec<_> = status.servers.iter().flat_map(|server| &server.zone).collect();
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
fn an_interrupt_before_it_is_ready_ends_it_with_130_and_the_next_up_works() {
    let home = Home::new();
    let mut up = home.up(&[]);
    let processes = home.processes();
    wait("a server runs", Duration::from_secs(30), || processes.servers().first().copied());
    up.interrupt();
    assert_eq!(up.wait(Duration::from_secs(60)).code(), Some(130), "{}", up.said());
    // One that was just being started is ended by the kernel.
    processes.wait_until_no_server_runs();

    Cluster::of(home, &[]).keys_verify();
}

/// Ended in the middle of joining, a server may be left with half a state that it does not get out
/// of by itself.
#[test]
fn an_interrupt_while_followers_join_does_not_keep_the_next_up_from_working() {
    let joining = Duration::from_secs(3);
    thread::scope(|scope| {
        for quarter in 0..4 {
            scope.spawn(move || {
                let home = Home::new();
                let mut up = home.up(&[]);
                let leads = || up.said().contains("is unsealed and leads").then_some(());
                wait("somebody leads", Duration::from_secs(60), leads);
                thread::sleep(joining * quarter / 4);
                up.interrupt();
                assert_eq!(up.wait(Duration::from_secs(60)).code(), Some(130), "{}", up.said());
                home.processes().wait_until_no_server_runs();
                Cluster::of(home, &[]).keys_verify();
            });
        }
    });
}

#[test]
fn a_second_interrupt_stops_at_once_whatever_is_under_way() {
    let mut cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(20);
    // Requests in flight are never answered: an orderly end would wait for them.
    let leader = cluster.leader();
    cluster.signal(&leader, Signal::STOP);
    cluster.up().interrupt();
    cluster.wait_until_said("stopping in order");
    let home = cluster.stop_at_once();
    let journal = writing.stop();

    let cluster = Cluster::of(home, &[]);
    assert_eq!(cluster.faults_of(&journal), []);
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

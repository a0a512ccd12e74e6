//! What a person asks of a cluster that stands.

use std::net::TcpStream;
use std::time::Duration;

use vaultyard_e2e::kubernetes::Kube;
use vaultyard_e2e::wait;

/// As the README says it: the way in is a port of this machine, which goes when the terminal goes.
#[track_caller]
pub(crate) fn a_secret_is_written_from_a_terminal(cluster: &Kube) {
    let vaultyard = format!("vaultyard --namespace {}", cluster.name());
    let said = cluster.shell(&format!(
        "eval \"$({vaultyard} env)\"; {vaultyard} login; echo address $BAO_ADDR\n\
         bao secrets enable -path=secret kv-v2\n\
         bao kv put -mount=secret greeting text=hello; bao kv get -mount=secret greeting"
    ));
    let said = said.done();
    assert!(said.contains("hello"), "{said}");
    let address = said.lines().find_map(|line| line.strip_prefix("address https://"));
    let address = address.unwrap_or_else(|| panic!("no address: {said}"));
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    wait("the port is closed", Duration::from_secs(20), || {
        TcpStream::connect(address).is_err().then_some(())
    });
}

#[track_caller]
pub(crate) fn are_answered_for_each_server(cluster: &Kube) {
    let servers = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
    let why = cluster.vaultyard(&["why"]).done();
    for server in &servers {
        assert!(why.contains(&format!("{server}: as it should be")), "{why}");
    }

    let all = cluster.vaultyard(&["logs", "--tail", "3"]).done();
    for server in &servers {
        let prefix = format!("{server} | ");
        assert_eq!(all.lines().filter(|line| line.starts_with(&prefix)).count(), 3, "{all}");
    }
    let one = cluster.vaultyard(&["logs", &servers[1], "--tail", "3"]).done();
    assert_eq!(one.lines().filter(|line| !line.contains(" | ")).count(), 3, "{one}");

    let nobody = cluster.vaultyard(&["why", "nobody"]);
    assert_eq!(nobody.code, Some(2), "{nobody:#?}");
    assert!(nobody.stderr.contains(&servers[0]), "the known ones are named: {nobody:#?}");
}

/// In the end nobody keeps the cluster true any more, and what is left of it goes all the same.
#[track_caller]
pub(crate) fn are_answered_as_far_as_there_are_pods(cluster: &Kube) {
    let servers = [0, 1, 2].map(|ordinal| cluster.server(ordinal));
    // Of a pod that is not there the others' logs are shown all the same, and it is said.
    // Nobody is left to make it anew.
    let operations = cluster.operations();
    let _ = cluster.kubectl_in(&operations, &["scale", "deployment", "--all", "--replicas=0"]);
    let _ = cluster.kubectl(&["delete", "statefulset", cluster.name(), "--cascade=orphan"]);
    let _ = cluster.kubectl(&["delete", "pod", &servers[2], "--timeout=120s"]);
    let some = cluster.vaultyard(&["logs", "--tail", "3"]);
    assert_eq!(some.code, Some(1), "{some:#?}");
    assert!(some.stdout.contains(&format!("{} | ", servers[0])), "{some:#?}");
    assert!(some.stderr.contains(&format!("{} | ", servers[2])), "{some:#?}");
    let destroyed = cluster.vaultyard(&["destroy", "--yes", cluster.name()]);
    assert_eq!(destroyed.code, Some(0), "{destroyed:#?}");
}

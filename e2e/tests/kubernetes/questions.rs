//! What a person asks of a cluster that stands.

use vaultyard_e2e::kubernetes::{Kube, Machines};

#[test]
fn why_and_logs_tell_of_each_server_and_refuse_one_that_there_is_not() {
    let _machines = Machines::shared();
    let cluster = Kube::new();
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

    let nobody = cluster.vaultyard(&["why", "nobody"]);
    assert_eq!(nobody.code, Some(2), "{nobody:#?}");
    assert!(nobody.stderr.contains(&servers[0]), "the known ones are named: {nobody:#?}");
}

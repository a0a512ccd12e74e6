//! Certificates are renewed while everything goes on.

use vaultyard_e2e::{Cluster, Home, Status};

/// Renewed after 20 s. Raft is patient, since other clusters run on this machine too.
const SHORT_LIVED: &str = "\
apiVersion: vaultyard.dev/v1alpha1
kind: VaultCluster
metadata: {name: vault}
spec:
  certificates: {servers: {privateCa: {lifetime: 30s}}}
  servers: {storage: {raft: {performanceMultiplier: 5}}}
";

fn serials(status: &Status) -> Vec<String> {
    let served = status.servers.iter().filter_map(|server| server.certificate.as_ref());
    served.map(|certificate| certificate.serial.clone()).collect()
}

#[test]
fn servers_serve_new_certificates_without_a_restart_or_a_failed_write() {
    let home = Home::new();
    let file = home.write("cluster.yaml", SHORT_LIVED).display().to_string();
    let mut cluster = Cluster::of(home, &["-f", &file]);
    let before = serials(&cluster.wait_until_ready());
    assert_eq!(before.len(), 3);
    let mut processes = cluster.home().processes().servers();

    // Only the built-in cluster has it from the start.
    let mount = "eval \"$(vaultyard env)\"; vaultyard login; \
                 bao secrets enable -path=secret kv-v2";
    let _ = cluster.home().shell(mount).done();
    let writing = cluster.start_writing();
    writing.wait_for(20);
    cluster.wait_for("serving new certificates", |_, status| {
        let now = serials(status);
        now.len() == 3 && now.iter().all(|serial| !before.contains(serial)) && status.is_ready()
    });
    let journal = writing.stop();

    journal.expect_no_failure();
    let mut now = cluster.home().processes().servers();
    processes.sort_unstable();
    now.sort_unstable();
    assert_eq!(now, processes, "a server was restarted");
}

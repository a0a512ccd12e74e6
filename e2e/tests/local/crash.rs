//! Vaultyard itself is killed.

use vaultyard_e2e::Cluster;

#[test]
fn a_killed_vaultyard_leaves_no_server_behind_and_the_next_up_works() {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(50);
    let home = cluster.crash();
    let journal = writing.stop();
    home.processes().wait_until_no_server_runs();

    let cluster = Cluster::of(home, &[]);
    assert_eq!(cluster.faults_of(&journal), []);
    cluster.keys_verify();
}

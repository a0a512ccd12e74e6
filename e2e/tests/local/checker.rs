//! The journal's checker, shown to fail on a real cluster: a loss and a double are planted.

use vaultyard_e2e::verdict::Fault;
use vaultyard_e2e::{Cluster, journal};

#[test]
fn a_planted_loss_and_a_planted_double_are_found() {
    let cluster = Cluster::new();
    let writing = cluster.start_writing();
    writing.wait_for(10);
    let journal = writing.stop();
    assert_eq!(cluster.faults_of(&journal), []);

    let access = cluster.access();
    let [lost, doubled, ..] = journal.entries() else { panic!("too few writes") };
    journal::remove(&access, &lost.key);
    journal::write_once(&access, &doubled.key, &doubled.value);

    let expected =
        [Fault::Lost(lost.key.clone()), Fault::Repeated { key: doubled.key.clone(), times: 2 }];
    assert_eq!(cluster.faults_of(&journal), expected);
}

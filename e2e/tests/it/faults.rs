//! Vaultyard dies at every named point of initialising, with the servers dying too and with the
//! servers living on. The next `up` makes a working cluster of it, and only one.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use vaultyard_e2e::{Cluster, Faults, Home};

/// So many clusters at a time: they mostly wait, for elections and for each other.
const AT_A_TIME: usize = 2;

#[test]
fn every_fault_point_leads_to_a_working_cluster() {
    let points = Home::new().run(&["fault-points"]).done();
    let cases = points.lines().flat_map(|point| {
        [false, true].map(|servers_live| Faults { point: point.to_owned(), servers_live })
    });
    let open: Mutex<VecDeque<Faults>> = Mutex::new(cases.collect());
    assert!(open.lock().is_ok_and(|open| !open.is_empty()), "there are no fault points");
    let failed = Mutex::new(Vec::new());

    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(faults) = take(&open) {
                    println!("{faults:?}");
                    if catch_unwind(AssertUnwindSafe(|| recovers_from(&faults))).is_err() {
                        failed.lock().expect("a list").push(faults);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    assert!(failed.is_empty(), "no recovery from {failed:#?}");
}

fn take(open: &Mutex<VecDeque<Faults>>) -> Option<Faults> {
    open.lock().expect("a queue").pop_front()
}

fn recovers_from(faults: &Faults) {
    let home = Home::new();
    let mut up = home.up_until(faults);
    let ended = up.wait(Duration::from_secs(60));
    assert_eq!(ended.signal(), Some(9), "{faults:?} was not reached:\n{}", up.said());
    if !faults.servers_live {
        assert!(home.processes().servers().is_empty(), "{faults:?}: servers outlived it");
    }

    let cluster = Cluster::of(home, &[]);
    cluster.keys_verify();
    let writing = cluster.start_writing();
    writing.wait_for(5);
    assert_eq!(cluster.faults_of(&writing.stop()), []);
}

//! The clock jumps, before the start and while the cluster lives.

use vaultyard_e2e::{Cluster, Home, contents};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

#[test]
fn a_clock_before_or_behind_the_authority_is_refused_by_name_and_nothing_is_changed() {
    let home = Cluster::new().stop();
    for wrong_by in [-30 * DAY, 20 * 365 * DAY] {
        let before = contents(&home.state());
        home.set_clock(wrong_by);
        let said = home.run(&["up"]);
        assert_eq!(said.code, Some(1), "{said:#?}");
        assert!(said.stderr.contains("the clock says"), "{said:#?}");
        // But for the process id of who was there last.
        let mut changed = contents(&home.state());
        changed.retain(|path, content| before.get(path) != Some(content));
        assert!(changed.keys().all(|path| path.ends_with("lock")), "{:?}", changed.keys());
    }
    home.set_clock(0);
    Cluster::of(home, &[]).keys_verify();
}

#[test]
fn a_clock_that_jumps_ends_no_server_and_loses_no_request() {
    // The authority is a day old, so that a clock two hours behind is still within its validity.
    let home = Home::new();
    home.set_clock(-DAY);
    let mut cluster = Cluster::of(home, &[]);
    let servers = cluster.home().processes().servers();
    let writing = cluster.start_writing();
    for wrong_by in [2 * HOUR, 10 * DAY, 0, -2 * HOUR] {
        cluster.home().set_clock(wrong_by);
        // It takes a few rounds of everything until nothing comes of it.
        writing.wait_for(100);
        cluster.wait_until_ready();
    }
    cluster.home().set_clock(-30 * DAY);
    let status = cluster.wait_for("told of the clock", |_, status| status.phase == "Degraded");
    assert!(status.reason.contains("the clock says"), "{status:#?}");
    writing.wait_for(100);
    cluster.home().set_clock(0);
    cluster.wait_until_ready();
    let journal = writing.stop();
    assert_eq!(cluster.faults_of(&journal), []);
    assert_eq!(cluster.home().processes().servers(), servers, "a server was ended");
}

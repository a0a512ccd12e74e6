//! Disks without room: nothing is begun that would be lost, what runs out of room says so, and
//! nothing is wiped.

use vaultyard_e2e::journal::Journal;
use vaultyard_e2e::{Cluster, Disk, Home, SERVERS};

#[test]
fn a_server_is_not_initialised_while_its_disk_is_small_and_goes_on_when_there_is_room() {
    let home = Home::new();
    let disk = home.put_on_a_disk(&home.state(), 90);
    let mut cluster = Cluster::starting(home, &[]);
    let status = cluster.wait_for("held back for want of room", |home, _| {
        home.run(&["why", "vault-0"]).stdout.contains("MiB are free")
    });
    assert!(status.servers.iter().all(|server| server.initialized != Some(true)), "{status:#?}");

    disk.resize(900);
    cluster.wait_until_ready();
    cluster.keys_verify();
}

/// Gives every server a disk of its own for this folder of it.
fn put_on_disks(home: &Home, folder: &str) -> Vec<(&'static str, Disk)> {
    let disk = |server| {
        let place = home.state().join("servers").join(server).join(folder);
        (server, home.put_on_a_disk(&place, 160))
    };
    SERVERS.map(disk).into()
}

/// A cluster whose servers have this folder of theirs each on a disk of its own.
fn on_disks(folder: &str) -> (Cluster, Vec<(&'static str, Disk)>) {
    let home = Cluster::new().stop();
    let disks = put_on_disks(&home, folder);
    (Cluster::of(home, &[]), disks)
}

/// Fills the disk of the server that leads; its name, and its disk.
fn fill_the_leaders(cluster: &mut Cluster, disks: &[(&str, Disk)]) -> (String, Disk) {
    let leader = cluster.leader();
    let (_, disk) = disks.iter().find(|(server, _)| *server == leader).unwrap();
    disk.fill();
    (leader, disk.clone())
}

/// Writes more than fits into the room that the server's files have within themselves.
fn write_much(home: &Home) {
    let line = "eval \"$(vaultyard env)\"; vaultyard login; head -c 900000 /dev/zero | tr '\\0' x > big; \
                bao kv put secret/big value=@big";
    // Nobody may be there to take it.
    let _ = home.shell(line);
}

fn keeps_everything(cluster: Cluster, journal: &Journal) {
    let cluster = cluster.restart();
    assert_eq!(cluster.faults_of(journal), []);
    cluster.keys_verify();
}

#[test]
fn a_leader_whose_data_disk_is_full_says_so_while_the_others_go_on() {
    let (mut cluster, disks) = on_disks("data");
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let (full, disk) = fill_the_leaders(&mut cluster, &disks);
    cluster.wait_for("led by another, and aware of the full disk", |home, status| {
        write_much(home);
        let led = status.leader().is_some_and(|leader| leader != full);
        led && home.run(&["why", &full]).stdout.contains("make room")
    });
    writing.wait_for(50);

    disk.empty();
    cluster.wait_until_ready();
    let journal = writing.stop();
    keeps_everything(cluster, &journal);
}

/// Where the log finds room and the data does not, the server ends with a panic, and again each time
/// it is unsealed.
#[test]
fn a_server_that_panics_for_want_of_room_says_so_and_nothing_is_wiped() {
    let home = Cluster::new().stop();
    let disks = put_on_disks(&home, "data");
    let _ = put_on_disks(&home, "data/raft");
    let mut cluster = Cluster::of(home, &[]);
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let (full, disk) = fill_the_leaders(&mut cluster, &disks);
    cluster.wait_for("aware of how it ended", |home, _| {
        write_much(home);
        home.run(&["why", &full]).stdout.contains("no space left")
    });
    writing.wait_for(50);

    disk.empty();
    cluster.wait_until_ready();
    let journal = writing.stop();
    keeps_everything(cluster, &journal);
}

/// Its answers are errors then, and an answer is life.
#[test]
fn a_leader_whose_audit_disk_is_full_is_reported_and_not_killed() {
    let (mut cluster, disks) = on_disks(".");
    let before = cluster.home().processes().servers();
    let writing = cluster.start_writing();
    writing.wait_for(20);
    let (full, disk) = fill_the_leaders(&mut cluster, &disks);
    let about_room = format!("{full}: its disk is nearly full");
    cluster.wait_for("aware of the full disk", |_, status| status.reason.contains(&about_room));
    assert_eq!(cluster.home().processes().servers(), before, "a server was killed");

    disk.empty();
    cluster.wait_until_ready();
    writing.wait_for(50);
    let journal = writing.stop();
    keeps_everything(cluster, &journal);
}

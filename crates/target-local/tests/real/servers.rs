//! A real server under the launcher: start, end, and every way to fail that is known.

use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use vaultyard_durable::growing::Limit;
use vaultyard_model::observed::Exit;
use vaultyard_model::port::launcher::{Launcher, SignalKind};
use vaultyard_target_local::process::leftover::leftovers;

use crate::parts::{Yard, answers, ask, bao, initialise, until};

/// How a server ends that cannot start.
async fn failed_start(yard: &Yard) -> Exit {
    let running = yard.launch().await;
    tokio::time::timeout(Duration::from_secs(30), running.wait()).await.unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_server_starts_serves_and_ends_when_it_is_asked_to() {
    let yard = Yard::new();
    let folder = yard.server_folder();
    let running = yard.launch().await;
    until("the server listens", || yard.listens()).await;
    answers(&folder, "GET sys/metrics?format=prometheus", "", 200).await;

    let pid = running.pid();
    assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    assert!(std::fs::metadata(folder.admin_socket()).unwrap().file_type().is_socket());
    assert_eq!(mode(&folder.admin_socket()), 0o600);
    assert_eq!(mode(&folder.data().join("vault.db")), 0o600);
    assert_eq!(mode(&folder.log()), 0o600);
    assert!(!std::fs::read_to_string(folder.log()).unwrap().contains("[WARN]"));
    let found = leftovers(&yard.paths).unwrap();
    assert_eq!(found.iter().map(|one| one.identity.pid).collect::<Vec<_>>(), [pid]);

    running.signal(SignalKind::Terminate).unwrap();
    let (first, second) = tokio::join!(running.wait(), running.wait());
    let ended = Exit { code: Some(0), signal: None, reason: None, no_space: false };
    assert_eq!((&first, &second), (&ended, &ended));
    assert!(running.signal(SignalKind::Kill).unwrap_err().to_string().contains("has ended"));
    assert!(!folder.process().exists());
    assert_eq!(yard.launcher().election_won(&yard.server()), None);
}

#[tokio::test]
async fn waiting_can_be_given_up_and_taken_up_again() {
    let yard = Yard::new();
    let running = yard.launch().await;
    assert!(tokio::time::timeout(Duration::from_millis(50), running.wait()).await.is_err());
    running.signal(SignalKind::Kill).unwrap();
    let exit = running.wait().await;
    assert_eq!((exit.code, exit.signal, exit.reason), (None, Some(9), None));
    assert_eq!(running.wait().await.signal, Some(9));
}

#[tokio::test]
async fn a_server_whose_cluster_port_is_taken_is_not_started() {
    let yard = Yard::new();
    let address = yard.layout.servers[0].cluster;
    let _taken = TcpListener::bind(address).unwrap();
    let error = yard.launcher().launch(&yard.server()).await.err().unwrap().to_string();
    let start = format!("start vault-0: {address} (TCP), needed for the cluster port of vault-0");
    assert!(error.starts_with(&start), "{error}");
    assert!(error.ends_with(&format!("(process {})", std::process::id())), "{error}");
}

#[tokio::test]
async fn a_damaged_key_is_the_reason_of_the_end() {
    let yard = Yard::new();
    std::fs::write(yard.server_folder().key(), "garbage").unwrap();
    let reason = failed_start(&yard).await.reason.unwrap();
    assert!(reason.ends_with("error loading TLS cert: decoded PEM is blank"), "{reason}");
}

#[tokio::test]
async fn damaged_data_is_the_reason_of_the_end_and_removing_it_the_cure() {
    let yard = Yard::new();
    let (launcher, folder) = (yard.launcher(), yard.server_folder());
    let running = yard.launch().await;
    until("there is data", || folder.data().join("vault.db").exists()).await;
    until("the server listens", || yard.listens()).await;
    running.signal(SignalKind::Kill).unwrap();
    running.wait().await;
    std::fs::write(folder.data().join("vault.db"), "x".repeat(20_000)).unwrap();
    let reason = failed_start(&yard).await.reason.unwrap();
    assert!(reason.ends_with("failed to open bolt file: invalid database"), "{reason}");

    launcher.remove_data(&yard.server()).await.unwrap();
    let running = yard.launch().await;
    until("the server listens", || yard.listens()).await;
    running.signal(SignalKind::Terminate).unwrap();
    assert_eq!(running.wait().await.code, Some(0));
}

#[tokio::test]
async fn the_reason_of_an_earlier_end_is_not_given_again() {
    let yard = Yard::new();
    std::fs::write(yard.server_folder().key(), "garbage").unwrap();
    assert!(failed_start(&yard).await.reason.unwrap().contains("PEM"));
    let running = yard.launch().await;
    running.signal(SignalKind::Kill).unwrap();
    assert_eq!(running.wait().await.reason, None);
    std::fs::write(yard.server_folder().data().join("vault.db"), "x".repeat(20_000)).unwrap();
    let reason = failed_start(&yard).await.reason.unwrap();
    assert!(reason.ends_with("invalid database"), "{reason}");
}

#[tokio::test]
async fn a_server_that_nobody_watches_any_more_is_killed() {
    let yard = Yard::new();
    drop(yard.launch().await);
    until("the server is gone", || leftovers(&yard.paths).unwrap().is_empty()).await;
}

#[tokio::test]
async fn a_program_that_is_none_is_an_error_of_the_launch() {
    let yard = Yard::new();
    let error = yard
        .launcher_of(Path::new("/nonexistent/bao"))
        .launch(&yard.server())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.starts_with("start vault-0: cannot execute /nonexistent/bao"), "{error}");
}

#[tokio::test]
async fn an_audit_file_is_opened_anew_after_it_was_set_aside() {
    let yard = Yard::new();
    let launcher = yard.launcher().with_audit_limit(Limit { bytes: 10, keep: 2 });
    let (server, folder) = (yard.server(), yard.server_folder());
    let running = launcher.launch(&server).await.unwrap();
    until("the server listens", || yard.listens()).await;
    assert!(!launcher.rotate_audit(&server, running.as_ref()).await.unwrap());

    let (unseal, _token) = initialise(&folder).await;
    assert_eq!(ask(&folder, "PUT sys/unseal", "", &unseal).await.0, 200);
    until("audit lines are written", || {
        std::fs::metadata(folder.audit()).is_ok_and(|file| file.len() > 10)
    })
    .await;
    assert!(launcher.election_won(&server).is_some_and(|won| won >= running.since()));

    assert!(launcher.rotate_audit(&server, running.as_ref()).await.unwrap());
    until("the server has opened a new audit file", || folder.audit().exists()).await;
    assert!(folder.audit().with_file_name("audit.log.1").exists());
    assert!(launcher.free_bytes(&server).unwrap() > 0);
    running.signal(SignalKind::Kill).unwrap();
    running.wait().await;
}

#[tokio::test]
async fn a_large_audit_file_is_set_aside_before_the_start() {
    let yard = Yard::new();
    let launcher = yard.launcher().with_audit_limit(Limit { bytes: 10, keep: 2 });
    let audit = yard.server_folder().audit();
    std::fs::create_dir_all(audit.parent().unwrap()).unwrap();
    std::fs::write(&audit, "a line of an earlier life\n").unwrap();
    let running = launcher.launch(&yard.server()).await.unwrap();
    assert!(audit.with_file_name("audit.log.1").exists());
    until("the server listens", || yard.listens()).await;
    running.signal(SignalKind::Kill).unwrap();
    running.wait().await;
}

/// Says to a copy of this program that it is the one that is killed.
const DOOMED: &str = "VAULTYARD_TEST_DOOMED";

/// Not a test of its own: the program that the next test kills. Without its variable it has
/// nothing to do.
#[tokio::test]
async fn doomed_supervisor() {
    if std::env::var_os(DOOMED).is_none() {
        return;
    }
    let yard = Yard::new();
    let running = yard.launch().await;
    until("the server listens", || yard.listens()).await;
    println!("\npid {}", running.pid());
    running.wait().await;
}

#[tokio::test]
async fn no_server_outlives_a_supervisor_that_is_killed() {
    // The killed one cleans nothing up; what it leaves goes with this folder.
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::doomed_supervisor", "--nocapture"])
        .env(DOOMED, "1")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let pid = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some(pid) = line.strip_prefix("pid ") {
            break pid.to_owned();
        }
    };
    let running = || {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    };
    assert!(running());
    supervisor.kill().await.unwrap();
    until("the server is gone", || !running()).await;
}

#[tokio::test]
async fn a_server_that_outlived_its_supervisor_is_found_and_ended() {
    let yard = Yard::new();
    let folder = yard.server_folder();
    let running = yard.launch().await;
    until("the server listens", || yard.listens()).await;
    let record = std::fs::read(folder.process()).unwrap();
    running.signal(SignalKind::Kill).unwrap();
    running.wait().await;
    std::fs::write(folder.process(), &record).unwrap();
    assert!(leftovers(&yard.paths).unwrap().is_empty());

    // A child of the test's own, in the server's folder: no supervisor watches it.
    let mut orphan = tokio::process::Command::new(bao())
        .args(["server", "-config=server.json"])
        .current_dir(folder.path())
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until("the server listens", || yard.listens()).await;
    let identity =
        vaultyard_target_local::process::identity::Identity::of(orphan.id().unwrap()).unwrap();
    // Killed before the record was written, or after.
    assert_eq!(leftovers(&yard.paths).unwrap().len(), 1);
    std::fs::write(folder.process(), serde_json::to_vec(&identity).unwrap()).unwrap();
    let mut found = leftovers(&yard.paths).unwrap();
    assert_eq!(found.len(), 1);
    let (ended, status) = tokio::join!(found.remove(0).end(), orphan.wait());
    ended.unwrap();
    assert_eq!(status.unwrap().signal(), Some(9));
    assert!(leftovers(&yard.paths).unwrap().is_empty());
}

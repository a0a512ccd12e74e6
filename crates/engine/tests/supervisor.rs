//! The supervisor on a launcher whose processes live and die as the test says.

#![allow(clippy::unwrap_used, reason = "a test ends where its scene cannot be set")]

use std::sync::Arc;
use std::time::Duration;

use vaultyard_engine::supervisor::{Supervised, supervise};
use vaultyard_model::ClusterName;
use vaultyard_model::observed::{Exit, ProcessSeen};
use vaultyard_model::port::host::{Host, HostError, Signal};
use vaultyard_model::port::launcher::SignalKind;
use vaultyard_testkit::fake_launcher::{Asked, FakeLauncher, exit_by_signal};
use vaultyard_testkit::fixed::FixedClock;

/// A supervised server on a paused clock: waits of any length end at once, in order.
fn start() -> (Arc<FakeLauncher>, Supervised) {
    let launcher = Arc::new(FakeLauncher::default());
    let name = ClusterName::new("vault").unwrap().server(1);
    let (handle, supervisor) = supervise(name, launcher.clone(), Arc::new(FixedClock::default()));
    tokio::spawn(supervisor.run());
    (launcher, handle)
}

async fn until(handle: &Supervised, wanted: impl FnMut(&ProcessSeen) -> bool) -> ProcessSeen {
    handle.watch_process().wait_for(wanted).await.unwrap().clone()
}

fn runs_as(pid: u32) -> impl FnMut(&ProcessSeen) -> bool {
    move |seen| matches!(seen, ProcessSeen::Running { pid: is, .. } if *is == pid)
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_is_started_again() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    launcher.end_newest(exit_by_signal(9));
    until(&handle, runs_as(2)).await;
    launcher.end_newest(exit_by_signal(9));
    let ended = until(&handle, |seen| matches!(seen, ProcessSeen::Ended { .. })).await;
    let ProcessSeen::Ended { times, exit, .. } = ended else { unreachable!() };
    assert_eq!((times, exit.signal), (2, Some(9)));
    until(&handle, runs_as(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ended_for_want_of_room_is_started_when_there_is_room() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    launcher.set_free_bytes(0);
    let began = tokio::time::Instant::now();
    launcher.end_newest(Exit { code: Some(2), signal: None, reason: None, no_space: true });
    until(&handle, |seen| matches!(seen, ProcessSeen::Ended { .. })).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(launcher.asked(), [Asked::Launched(1)], "the disk is still full");
    launcher.set_free_bytes(1 << 30);
    until(&handle, runs_as(2)).await;
    assert!(began.elapsed() <= Duration::from_secs(12), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_fails_says_why_and_is_tried_again() {
    let launcher = Arc::new(FakeLauncher::default());
    let refusal = HostError { what: "start".to_owned(), why: "no such file".to_owned() };
    launcher.refuse_next(refusal.clone());
    launcher.refuse_next(refusal);
    let name = ClusterName::new("vault").unwrap().server(0);
    let (handle, supervisor) = supervise(name, launcher.clone(), Arc::new(FixedClock::default()));
    let mut process = handle.watch_process();
    tokio::spawn(supervisor.run());
    let ended = |seen: &ProcessSeen| matches!(seen, ProcessSeen::Ended { .. });
    let ProcessSeen::Ended { exit, .. } = process.wait_for(ended).await.unwrap().clone() else {
        unreachable!()
    };
    assert_eq!(exit.reason.as_deref(), Some("start: no such file"));
    until(&handle, runs_as(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wipe_kills_removes_the_data_and_starts_again() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    handle.wipe("its answer was lost").await.unwrap();
    until(&handle, runs_as(2)).await;
    let expected = [
        Asked::Launched(1),
        Asked::Signalled(1, SignalKind::Kill),
        Asked::DataRemoved,
        Asked::Launched(2),
    ];
    assert_eq!(launcher.asked(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_reload_and_a_restart_send_their_signals() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    handle.reload().await.unwrap();
    handle.restart(Signal::Terminate, "a test").await.unwrap();
    until(&handle, runs_as(2)).await;
    let end = handle.last_end().unwrap().exit;
    assert_eq!((end.signal, end.reason.as_deref()), (Some(15), Some("a test")));
    let signals = |asked: &Asked| matches!(asked, Asked::Signalled(..));
    let sent: Vec<Asked> = launcher.asked().into_iter().filter(signals).collect();
    let expected =
        [SignalKind::Hangup, SignalKind::Terminate].map(|kind| Asked::Signalled(1, kind));
    assert_eq!(sent, expected);
}

#[tokio::test(start_paused = true)]
async fn a_process_is_not_ended_in_place_of_the_one_before_it() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    handle.restart(Signal::Terminate, "a test").await.unwrap();
    until(&handle, runs_as(2)).await;
    handle.restart_process(1, Signal::Kill, "it was silent").await.unwrap();
    let kill = |asked: &Asked| matches!(asked, Asked::Signalled(_, SignalKind::Kill));
    assert!(!launcher.asked().iter().any(kill));
    handle.restart_process(2, Signal::Kill, "it is silent").await.unwrap();
    until(&handle, runs_as(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_young_process_gets_no_signal_to_reload() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    let error = handle.reload().await.unwrap_err();
    assert_eq!(error.to_string(), "reload vault-1: its process has only just been started");
    assert_eq!(launcher.asked(), [Asked::Launched(1)]);
}

#[tokio::test(start_paused = true)]
async fn the_audit_file_of_a_young_process_is_left_alone() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(launcher.asked(), [Asked::Launched(1)]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(launcher.asked(), [Asked::Launched(1), Asked::AuditChecked(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_stays_stopped() {
    let (launcher, handle) = start();
    until(&handle, runs_as(1)).await;
    handle.stop(Signal::Terminate).await.unwrap();
    until(&handle, |seen| *seen == ProcessSeen::Stopped).await;
    let error = handle.restart(Signal::Kill, "a test").await.unwrap_err();
    assert_eq!(error.to_string(), "restart vault-1: its supervisor has ended");
    assert_eq!(launcher.asked().len(), 2);
}

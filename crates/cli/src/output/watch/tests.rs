//! The picture against files, and the list of changes against pairs of statuses.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::picture::{Picture, Style};
use super::seen::Seen;
use super::{document, substance};
use crate::arguments::Format;
use crate::control::wire::{Certificate, Condition, Controller, Server, Status};
use crate::output::changes::{Change, Tone, between};

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn before(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn server(index: usize, zones: usize) -> Server {
    Server {
        name: format!("vault-{index}"),
        zone: Some(["a", "b", "c", "d", "e"][index % zones].to_owned()),
        address: format!("https://127.0.0.{}:8200", 11 + index),
        version: Some("2.7.2".to_owned()),
        initialized: Some(true),
        sealed: Some(false),
        role: if index == 0 { "leader" } else { "standby" }.to_owned(),
        voter: Some(true),
        applied_index: Some(1_234),
        certificate: Some(Certificate {
            serial: format!("0{index}"),
            not_after: "2026-03-31T06:00:00Z".to_owned(),
        }),
        image: None,
        last_end: None,
        why: Vec::new(),
    }
}

fn ready(servers: usize, zones: usize) -> Status {
    let condition = |kind: &str, message: &str| Condition {
        kind: kind.to_owned(),
        status: "True".to_owned(),
        reason: "Sample".to_owned(),
        message: message.to_owned(),
    };
    let controller = |name: &str| Controller {
        name: name.to_owned(),
        ready: true,
        last_success: Some(before(2).to_string()),
        last_error: None,
    };
    Status {
        name: "vault".to_owned(),
        target: "local".to_owned(),
        phase: "Ready".to_owned(),
        reason: format!("{servers} servers are unsealed, caught up and voting; vault-0 leads"),
        address: "https://127.0.0.10:8200".to_owned(),
        servers: (0..servers).map(|index| server(index, zones)).collect(),
        controllers: ["unsealer", "access", "certificates", "proxy"].map(controller).into(),
        conditions: vec![
            condition("Ready", "the cluster serves"),
            condition("RootTokenRevoked", "logins work and no token has policy root"),
            condition(
                "KeyBesideData",
                "key beside data: for trials. Who copies this disk can open it",
            ),
        ],
        snapshots: None,
    }
}

/// Server `index` was restarted and is sealed.
fn sealed(mut status: Status, index: usize) -> Status {
    let server = &mut status.servers[index];
    server.sealed = Some(true);
    server.role = "none".to_owned();
    server.applied_index = None;
    server.why = vec!["it is sealed".to_owned()];
    status.phase = "Degraded".to_owned();
    status.reason = format!("{}: it is sealed", server.name);
    status
}

/// The leader's process ended, and nobody has taken over.
fn leaderless(mut status: Status) -> Status {
    let gone = &mut status.servers[0];
    gone.version = None;
    gone.initialized = None;
    gone.sealed = None;
    gone.role = "none".to_owned();
    gone.applied_index = None;
    gone.why = vec!["its process ended (signal 9); it is started again in 0.8s".to_owned()];
    for server in &mut status.servers {
        server.voter = None;
    }
    status.phase = "Degraded".to_owned();
    status.reason = format!("vault-0: {}", status.servers[0].why[0]);
    status.controllers[3].ready = false;
    status.controllers[3].last_success = None;
    status.controllers[3].last_error = Some("it knows no leader".to_owned());
    status
}

/// What a watch has seen that got these answers, one a second up to now.
fn seen(answers: Vec<Result<Status, String>>) -> Seen {
    let first = i64::try_from(answers.len()).unwrap();
    let mut seen = Seen::nothing(before(first));
    for (answer, ago) in answers.into_iter().zip((0..first).rev()) {
        seen.note(before(ago), answer);
    }
    seen
}

fn drawn(seen: &Seen, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let picture = Picture { seen, now: now(), style: Style { colours: true } };
    terminal.draw(|frame| frame.render_widget(picture, frame.area())).unwrap();
    terminal
}

/// The picture as lines of text.
fn text(seen: &Seen, width: u16, height: u16) -> String {
    let view = drawn(seen, width, height).backend().to_string();
    view.lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
}

/// Compares with the file under `golden/`; writes it anew when `UPDATE_GOLDEN` is set.
fn golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/output/watch/golden");
    let path = folder.join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{} differs; see CONTRIBUTING.md, Tests", path.display());
}

#[test]
fn three_ready_servers() {
    golden("ready.txt", &text(&seen(vec![Ok(ready(3, 3))]), 80, 24));
}

#[test]
fn one_sealed_server() {
    let answers = vec![Ok(ready(3, 3)), Ok(sealed(ready(3, 3), 2))];
    golden("sealed.txt", &text(&seen(answers), 80, 24));
}

#[test]
fn nobody_leads() {
    let answers = vec![Ok(ready(3, 3)), Ok(leaderless(ready(3, 3)))];
    golden("leaderless.txt", &text(&seen(answers), 100, 30));
}

#[test]
fn five_servers_on_a_narrow_terminal() {
    let answers = vec![Ok(ready(5, 5)), Ok(sealed(ready(5, 5), 3))];
    golden("narrow.txt", &text(&seen(answers), 40, 24));
}

#[test]
fn five_servers_in_three_zones() {
    golden("five-in-three-zones.txt", &text(&seen(vec![Ok(ready(5, 3))]), 80, 24));
}

#[test]
fn nine_servers() {
    let answers = vec![Ok(ready(9, 3)), Ok(sealed(ready(9, 3), 4))];
    golden("nine.txt", &text(&seen(answers), 80, 24));
}

#[test]
fn up_went_away() {
    let answers = vec![Ok(ready(3, 3)), Err("no `vaultyard up` is running on /s".to_owned())];
    golden("gone.txt", &text(&seen(answers), 80, 24));
}

#[test]
fn up_was_never_there() {
    let answers = vec![Err("no `vaultyard up` is running on /s".to_owned())];
    golden("never.txt", &text(&seen(answers), 60, 8));
}

#[test]
fn every_size_can_be_drawn() {
    for status in [ready(1, 1), ready(9, 5), leaderless(sealed(ready(7, 3), 5))] {
        let seen = seen(vec![Ok(status)]);
        for width in [0, 1, 3, 10, 24, 40, 59, 60, 69, 70, 73, 74, 80, 121, 200] {
            for height in 0..32 {
                drawn(&seen, width, height);
            }
        }
    }
}

#[test]
fn the_leader_is_told_without_colours() {
    let seen = seen(vec![Ok(leaderless(sealed(ready(3, 3), 1))), Ok(ready(3, 3))]);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let picture = Picture { seen: &seen, now: now(), style: Style { colours: false } };
    terminal.draw(|frame| frame.render_widget(picture, frame.area())).unwrap();
    let buffer = terminal.backend().buffer();
    let colourless = |cell: &ratatui::buffer::Cell| {
        [cell.fg, cell.bg].iter().all(|colour| *colour == ratatui::style::Color::Reset)
    };
    assert!(buffer.content().iter().all(colourless));
    assert!(terminal.backend().to_string().contains("★ vault-0"));
}

#[test]
fn equal_statuses_have_no_changes() {
    assert_eq!(between(&ready(3, 3), &ready(3, 3)), []);
}

#[test]
fn a_leader_that_ends_is_told_in_order() {
    let texts = |from: &Status, to: &Status| -> Vec<String> {
        between(from, to).iter().map(Change::to_string).collect()
    };
    assert_eq!(
        texts(&ready(3, 3), &leaderless(ready(3, 3))),
        [
            "vault-0 does not answer",
            "nobody leads, after vault-0",
            "proxy: it knows no leader",
            "the cluster is Degraded"
        ]
    );
    assert_eq!(
        texts(&leaderless(ready(3, 3)), &ready(3, 3)),
        ["vault-0 answers: unsealed", "vault-0 leads", "proxy works", "the cluster is Ready"]
    );
}

#[test]
fn a_leader_that_moves_is_one_change() {
    let mut after = ready(3, 3);
    after.servers[0].role = "standby".to_owned();
    after.servers[2].role = "leader".to_owned();
    let moved =
        Change::Leader { now: Some("vault-2".to_owned()), before: Some("vault-0".to_owned()) };
    assert_eq!(between(&ready(3, 3), &after), [moved]);
}

#[test]
fn servers_that_come_and_go_are_told() {
    let texts = |from: usize, to: usize| -> Vec<String> {
        let changes = between(&ready(from, from), &ready(to, to));
        changes.iter().map(Change::to_string).collect()
    };
    assert_eq!(texts(3, 5)[..2], ["vault-3 is added", "vault-4 is added"]);
    assert_eq!(texts(5, 3)[..2], ["vault-3 is removed", "vault-4 is removed"]);
}

#[test]
fn unsealing_is_good_news() {
    let changes = between(&sealed(ready(3, 3), 1), &ready(3, 3));
    assert_eq!(changes[0].to_string(), "vault-1: sealed → unsealed");
    assert!(changes.iter().all(|change| change.tone() == Tone::Good));
}

#[test]
fn certificate_vote_and_version_are_told_only_when_both_are_known() {
    let mut after = ready(3, 3);
    after.servers[1].version = Some("2.7.3".to_owned());
    after.servers[1].voter = Some(false);
    after.servers[1].certificate.as_mut().unwrap().serial = "ff".to_owned();
    let texts: Vec<String> = between(&ready(3, 3), &after).iter().map(Change::to_string).collect();
    assert_eq!(
        texts,
        ["vault-1 runs version 2.7.3", "vault-1 has no vote", "vault-1 serves a new certificate"]
    );
    let mut unknown = after.clone();
    unknown.servers[1].version = None;
    unknown.servers[1].voter = None;
    unknown.servers[1].certificate = None;
    assert_eq!(between(&after, &unknown), []);
    assert_eq!(between(&unknown, &after), []);
}

#[test]
fn conditions_are_told_when_they_come_change_and_go() {
    let mut generated = ready(3, 3);
    generated.conditions[1].status = "False".to_owned();
    generated.conditions[2].kind = "GeneratedRootToken".to_owned();
    let texts: Vec<String> =
        between(&ready(3, 3), &generated).iter().map(Change::to_string).collect();
    assert_eq!(
        texts,
        [
            "RootTokenRevoked does not hold",
            "GeneratedRootToken holds",
            "KeyBesideData does not hold"
        ]
    );
}

#[test]
fn the_absence_of_up_is_told_once_and_so_is_its_return() {
    let silent = || Err("nobody there".to_owned());
    let seen = seen(vec![Ok(ready(3, 3)), silent(), silent(), Ok(ready(3, 3)), silent()]);
    let changes: Vec<_> = seen.changes.iter().map(|(_, change)| change.clone()).collect();
    assert_eq!(changes, [Change::Gone, Change::Back, Change::Gone]);
    assert_eq!(seen.silence.unwrap().since, now());
}

#[test]
fn documents_stand_apart() {
    let text = |format| document(format, &ready(1, 1), now()).ok().unwrap();
    assert_eq!(text(Format::Json).lines().count(), 1);
    assert!(text(Format::Yaml).starts_with("---\nname: vault\n"));
}

#[test]
fn one_more_success_is_no_reason_for_a_document() {
    let mut later = ready(1, 1);
    later.controllers[0].last_success = Some(now().to_string());
    assert_eq!(substance(&later), substance(&ready(1, 1)));
    later.controllers[0].ready = false;
    assert_ne!(substance(&later), substance(&ready(1, 1)));
}

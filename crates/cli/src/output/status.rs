//! The status of a cluster as a table.

use std::time::Duration;

use jiff::Timestamp;
use vaultyard_model::duration::Short;

use super::{or_dash, table};
use crate::control::wire::{Server, Status};
use crate::snapshots::Listed;

/// The whole of `vaultyard status`.
pub(crate) fn show(status: &Status, now: Timestamp) -> String {
    let mut text = format!(
        "{} ({}): {}\n{}\n\nAddress  {}\n",
        status.name, status.target, status.phase, status.reason, status.address
    );
    for condition in status.conditions.iter().filter(|condition| is_news(condition)) {
        text.push_str(&format!("Note     {}\n", condition.message));
    }
    if let Some(kept) = &status.snapshots {
        text.push_str(&format!("Snapshot {}\n", snapshots(kept, now)));
    }
    text.push('\n');
    text.push_str(&servers(&status.servers, now));
    let troubled: Vec<_> =
        status.controllers.iter().filter(|controller| !controller.ready).collect();
    if !troubled.is_empty() {
        text.push('\n');
    }
    for controller in troubled {
        let error = controller.last_error.as_deref().unwrap_or("has not begun yet");
        text.push_str(&format!("{}: {error}\n", controller.name));
    }
    text
}

/// How old the data is that could be had back, and that is known to come back.
fn snapshots(all: &[Listed], now: Timestamp) -> String {
    let Some(newest) = all.iter().filter_map(Listed::taken_at).max() else {
        return "none".to_owned();
    };
    let proven = all.iter().filter(|it| it.proven.is_some()).filter_map(Listed::taken_at).max();
    let newest = format!("{} old", age(newest, now));
    match proven {
        None => format!("{newest}; none is proven"),
        Some(proven) => format!("{newest}; the newest that is proven {} old", age(proven, now)),
    }
}

/// How long ago something was, in whole seconds.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    let passed = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    match passed.as_secs() {
        seconds @ 0..=9 => format!("{seconds}s"),
        _ => Short(passed).to_string(),
    }
}

/// A condition that a person should read: a warning that holds, or a good thing that does not.
fn is_news(condition: &crate::control::wire::Condition) -> bool {
    let holds = condition.status == "True";
    match condition.kind.as_str() {
        "Ready" => false,
        "KeyBesideData" | "DriftCorrected" => holds,
        _ => !holds,
    }
}

fn servers(servers: &[Server], now: Timestamp) -> String {
    let headings = [
        "SERVER",
        "ZONE",
        "ADDRESS",
        "VERSION",
        "STATE",
        "ROLE",
        "VOTER",
        "APPLIED",
        "CERTIFICATE",
    ];
    let row = |server: &Server| {
        vec![
            server.name.clone(),
            or_dash(server.zone.as_ref()),
            server.address.clone(),
            or_dash(server.version.as_ref()),
            state(server).to_owned(),
            server.role.clone(),
            server.voter.map_or("-", |voter| if voter { "yes" } else { "no" }).to_owned(),
            or_dash(server.applied_index),
            server
                .certificate
                .as_ref()
                .map_or_else(|| "-".to_owned(), |it| left(&it.not_after, now)),
        ]
    };
    table(&headings, servers.iter().map(row).collect())
}

/// The state of a server in one word.
pub(crate) fn state(server: &Server) -> &'static str {
    match (server.initialized, server.sealed) {
        (None, _) | (_, None) => "silent",
        (Some(false), _) => "uninitialised",
        (_, Some(true)) => "sealed",
        (_, Some(false)) => "unsealed",
    }
}

/// How long until a moment, or that it is past.
pub(crate) fn left(moment: &str, now: Timestamp) -> String {
    let Ok(moment) = moment.parse::<Timestamp>() else { return moment.to_owned() };
    match Duration::try_from(moment.duration_since(now)) {
        Ok(left) => Short(left).to_string(),
        Err(_) => "expired".to_owned(),
    }
}

/// The reasons why a server, or every server, is not as it should be.
pub(crate) fn why(status: &Status, only: Option<&str>) -> String {
    let mut text = String::new();
    for server in status.servers.iter().filter(|it| only.is_none_or(|only| only == it.name)) {
        if server.why.is_empty() {
            text.push_str(&format!("{}: as it should be ({})\n", server.name, server.role));
        }
        for reason in &server.why {
            text.push_str(&format!("{}: {reason}\n", server.name));
        }
        if let Some(end) = &server.last_end {
            text.push_str(&format!(
                "{}: its process last ended at {} ({})\n",
                server.name, end.at, end.reason
            ));
        }
    }
    if only.is_none() {
        text.push_str(&format!("{}: {}: {}\n", status.name, status.phase, status.reason));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(taken: &str, proven: bool) -> Listed {
        Listed {
            name: String::new(),
            bytes: 1,
            fault: None,
            taken: Some(taken.to_owned()),
            server: None,
            version: None,
            scheduled: false,
            proven: proven.then(|| taken.to_owned()),
            bucket: None,
        }
    }

    #[test]
    fn the_newest_snapshot_and_the_newest_proven_one_are_told() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let (old, new) = ("2026-11-30T10:00:00Z", "2026-11-30T11:48:00Z");
        assert_eq!(snapshots(&[], now), "none");
        let unproven = snapshots(&[kept(new, false), kept(old, false)], now);
        assert_eq!(unproven, "12m0s old; none is proven");
        let proven = snapshots(&[kept(old, true), kept(new, false)], now);
        assert_eq!(proven, "12m0s old; the newest that is proven 2h0m old");
    }
}

//! What changed from one status to the next. Pure: the watch and `up` both tell it.

use std::fmt;

use crate::control::wire::{Server, Status};
use crate::output::status::state;

/// Something that was otherwise at the look before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// `up` does not answer any more.
    Gone,
    /// `up` answers again.
    Back,
    /// The phase of the cluster.
    Phase(String),
    /// Who leads now, and who led.
    Leader { now: Option<String>, before: Option<String> },
    /// A server stands that did not before.
    Added { server: String },
    /// A server does not stand any more.
    Removed { server: String },
    /// A server's process ended without having been asked to.
    Ended { server: String, reason: String },
    /// A server came to be in this state.
    State { server: String, now: &'static str, before: &'static str },
    /// A server runs another version.
    Version { server: String, now: String },
    /// A server got or lost its vote.
    Vote { server: String, votes: bool },
    /// A server serves another certificate.
    Certificate { server: String },
    /// A controller began to fail, or, without an error, works again.
    Controller { name: String, error: Option<String> },
    /// A condition appeared or changed.
    Condition { kind: String, holds: bool },
}

/// What a change means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Things are better than before.
    Good,
    /// Something is missing that was there.
    Bad,
    /// Neither.
    Plain,
}

impl Change {
    /// What it means to a person.
    pub(crate) fn tone(&self) -> Tone {
        let good = match self {
            Self::Back => true,
            Self::Gone => false,
            Self::Phase(phase) => match phase.as_str() {
                "Ready" => true,
                "Degraded" | "Failed" => false,
                _ => return Tone::Plain,
            },
            Self::Leader { now, .. } => now.is_some(),
            Self::Ended { .. } => false,
            Self::State { now, .. } => match *now {
                "unsealed" => true,
                "silent" => false,
                _ => return Tone::Plain,
            },
            Self::Vote { votes, .. } => *votes,
            Self::Controller { error, .. } => error.is_none(),
            Self::Added { .. }
            | Self::Removed { .. }
            | Self::Version { .. }
            | Self::Certificate { .. }
            | Self::Condition { .. } => {
                return Tone::Plain;
            }
        };
        if good { Tone::Good } else { Tone::Bad }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("`up` does not answer any more"),
            Self::Back => f.write_str("`up` answers again"),
            Self::Phase(phase) => write!(f, "the cluster is {phase}"),
            Self::Leader { now: Some(now), before: Some(before) } => {
                write!(f, "{now} leads, after {before}")
            }
            Self::Leader { now: Some(now), before: None } => write!(f, "{now} leads"),
            Self::Leader { now: None, before: Some(before) } => {
                write!(f, "nobody leads, after {before}")
            }
            Self::Leader { now: None, before: None } => f.write_str("nobody leads"),
            Self::Added { server } => write!(f, "{server} is added"),
            Self::Removed { server } => write!(f, "{server} is removed"),
            Self::Ended { server, reason } => write!(f, "the process of {server} ended ({reason})"),
            Self::State { server, now: "silent", .. } => write!(f, "{server} does not answer"),
            Self::State { server, now, before: "silent" } => write!(f, "{server} answers: {now}"),
            Self::State { server, now, before } => write!(f, "{server}: {before} → {now}"),
            Self::Version { server, now } => write!(f, "{server} runs version {now}"),
            Self::Vote { server, votes: true } => write!(f, "{server} votes"),
            Self::Vote { server, votes: false } => write!(f, "{server} has no vote"),
            Self::Certificate { server } => write!(f, "{server} serves a new certificate"),
            Self::Controller { name, error: Some(error) } => write!(f, "{name}: {error}"),
            Self::Controller { name, error: None } => write!(f, "{name} works"),
            Self::Condition { kind, holds: true } => write!(f, "{kind} holds"),
            Self::Condition { kind, holds: false } => write!(f, "{kind} does not hold"),
        }
    }
}

/// Everything that a person should hear of, in the order of the status: causes first, what they
/// mean for the cluster last.
pub(crate) fn between(before: &Status, after: &Status) -> Vec<Change> {
    let mut all = Vec::new();
    for server in &after.servers {
        match of_name(before, &server.name) {
            Some(was) => all.extend(of_server(was, server)),
            None => all.push(Change::Added { server: server.name.clone() }),
        }
    }
    let removed = before.servers.iter().filter(|was| of_name(after, &was.name).is_none());
    all.extend(removed.map(|was| Change::Removed { server: was.name.clone() }));
    let (was, is) = (leader(before), leader(after));
    if was != is {
        all.push(Change::Leader { now: is.map(str::to_owned), before: was.map(str::to_owned) });
    }
    all.extend(of_controllers(before, after));
    all.extend(of_conditions(before, after));
    if before.phase != after.phase {
        all.push(Change::Phase(after.phase.clone()));
    }
    all
}

fn of_name<'a>(status: &'a Status, name: &str) -> Option<&'a Server> {
    status.servers.iter().find(|server| server.name == name)
}

/// The server that leads.
pub(crate) fn leader(status: &Status) -> Option<&str> {
    status.servers.iter().find(|server| leads(server)).map(|server| server.name.as_str())
}

/// Whether this server leads.
pub(crate) fn leads(server: &Server) -> bool {
    server.role == "leader"
}

fn of_server(before: &Server, after: &Server) -> Vec<Change> {
    let mut all = Vec::new();
    let server = || after.name.clone();
    if let Some(end) = after.last_end.as_ref().filter(|end| before.last_end.as_ref() != Some(end)) {
        all.push(Change::Ended { server: server(), reason: end.reason.clone() });
    }
    let (was, is) = (state(before), state(after));
    if was != is {
        all.push(Change::State { server: server(), now: is, before: was });
    }
    // What a server that does not answer runs or whether it votes is not known, and no change.
    if let Some(now) = news(before.version.as_ref(), after.version.as_ref()) {
        all.push(Change::Version { server: server(), now: now.clone() });
    }
    if let Some(&votes) = news(before.voter.as_ref(), after.voter.as_ref()) {
        all.push(Change::Vote { server: server(), votes });
    }
    let serial = |server: &Server| server.certificate.as_ref().map(|it| it.serial.clone());
    if news(serial(before).as_ref(), serial(after).as_ref()).is_some() {
        all.push(Change::Certificate { server: server() });
    }
    all
}

/// The later of two known values that differ.
fn news<'a, T: PartialEq>(before: Option<&T>, after: Option<&'a T>) -> Option<&'a T> {
    after.filter(|after| before.is_some_and(|before| before != *after))
}

fn of_controllers(before: &Status, after: &Status) -> Vec<Change> {
    let changed = after.controllers.iter().filter(|controller| {
        let was = before.controllers.iter().find(|was| was.name == controller.name);
        was.is_some_and(|was| was.ready != controller.ready)
    });
    changed
        .map(|controller| {
            let error = || controller.last_error.clone().unwrap_or_else(|| "not ready".to_owned());
            Change::Controller {
                name: controller.name.clone(),
                error: (!controller.ready).then(error),
            }
        })
        .collect()
}

/// `Ready` is left out: the phase tells it.
fn of_conditions(before: &Status, after: &Status) -> Vec<Change> {
    let find = |status: &Status, kind: &str| {
        status.conditions.iter().find(|it| it.kind == kind).map(|it| it.status == "True")
    };
    let mut kinds: Vec<&str> = after.conditions.iter().map(|it| it.kind.as_str()).collect();
    let vanished = before.conditions.iter().map(|it| it.kind.as_str());
    kinds.extend(vanished.filter(|kind| find(after, kind).is_none()));
    kinds
        .into_iter()
        .filter(|kind| *kind != "Ready" && find(before, kind) != find(after, kind))
        .map(|kind| Change::Condition {
            kind: kind.to_owned(),
            holds: find(after, kind).unwrap_or(false),
        })
        .collect()
}

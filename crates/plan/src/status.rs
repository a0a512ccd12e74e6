//! The phase of a cluster and the sentence that explains it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vaultyard_model::observed::{Observed, Probe, ServerSeen, State};
use vaultyard_model::port::keeper::Waiting;
use vaultyard_model::status::{
    CertificateStatus, Condition, ControllerStatus, Phase, Role, ServerStatus, Status,
};
use vaultyard_model::{Cluster, Layout, ServerName};

use crate::history::History;
use crate::shortfall::{self, Shortfall};

/// Everything that a status is made of.
pub struct Input<'a> {
    /// What is wanted.
    pub cluster: &'a Cluster,
    /// Where it is.
    pub layout: &'a Layout,
    /// What is.
    pub seen: &'a Observed,
    /// What was.
    pub history: &'a History,
    /// What each server's unsealer waits for.
    pub unsealers: &'a BTreeMap<ServerName, Waiting>,
    /// What the keeper of access waits for; `None` when logins work and root is gone.
    pub access: Option<&'a Waiting>,
    /// The certificates that were seen in handshakes.
    pub certificates: &'a BTreeMap<ServerName, CertificateStatus>,
    /// Whether who copies the disk has both the keys and what opens them.
    pub key_beside_data: bool,
    /// The loops, each with its last success and error.
    pub controllers: Vec<ControllerStatus>,
}

/// The status, in the shape of `status --output json`.
pub fn compose(input: Input<'_>) -> Status {
    let servers: Vec<ServerStatus> =
        input.layout.servers.iter().map(|place| server(place, &input)).collect();
    let (phase, reason) = phase(&input, &servers);
    Status {
        name: input.cluster.name.clone(),
        target: "local",
        phase,
        reason,
        address: address(input.layout),
        servers,
        conditions: conditions(phase, &input),
        controllers: input.controllers,
    }
}

/// The URL clients use.
pub fn address(layout: &Layout) -> String {
    format!("https://{}", layout.proxy)
}

fn server(place: &vaultyard_model::layout::Place, input: &Input<'_>) -> ServerStatus {
    let seen = input.seen.servers.get(&place.name);
    let state = seen.and_then(ServerSeen::state);
    let lacks = shortfall::of(&place.name, input.seen, &input.cluster.servers.version);
    let mut why: Vec<String> = lacks.iter().map(Shortfall::to_string).collect();
    why.extend(input.unsealers.get(&place.name).map(|waiting| waiting.reason.clone()));
    ServerStatus {
        name: place.name.clone(),
        zone: place.zone.clone(),
        address: place.api,
        version: seen
            .and_then(|seen| seen.health.as_ref().ok())
            .and_then(|health| health.version.clone()),
        initialized: state.map(|state| state != State::Uninitialised),
        sealed: state.map(|state| !state.is_unsealed()),
        role: match state {
            Some(State::Active) => Role::Leader,
            Some(State::Standby) => Role::Standby,
            _ => Role::None,
        },
        voter: input.seen.voter(&place.name),
        applied_index: seen.and_then(|seen| seen.raft.as_ref()).map(|raft| raft.applied),
        certificate: input.certificates.get(&place.name).cloned(),
        image: None,
        why,
    }
}

fn phase(input: &Input<'_>, servers: &[ServerStatus]) -> (Phase, String) {
    let stuck = input
        .unsealers
        .iter()
        .map(|(server, waiting)| (server.as_str(), waiting))
        .chain(input.access.map(|waiting| ("access", waiting)))
        .find(|(_, waiting)| waiting.stuck);
    let lacking = servers.iter().find(|server| !server.why.is_empty());
    let unready = lacking
        .map(|server| format!("{}: {}", server.name, server.why.join("; ")))
        .or_else(|| input.access.map(|waiting| waiting.reason.clone()))
        .or_else(|| unread(&input.seen.probe));
    match (stuck, unready) {
        (Some((who, waiting)), _) if !input.history.was_ready => {
            (Phase::Failed, format!("{who}: {}", waiting.reason))
        }
        (_, None) => (Phase::Ready, ready_sentence(input)),
        (_, Some(reason)) if input.history.was_ready => (Phase::Degraded, reason),
        (_, Some(reason)) if nothing_answers(input.seen) => (Phase::Pending, reason),
        (_, Some(reason)) => (Phase::Initialising, reason),
    }
}

fn ready_sentence(input: &Input<'_>) -> String {
    let leader = input.seen.leader().map_or("nobody", ServerName::as_str);
    let count = input.cluster.servers.replicas.count();
    match count {
        1 => format!("1 server is unsealed; {leader} leads"),
        _ => format!("{count} servers are unsealed, caught up and voting; {leader} leads"),
    }
}

fn unread(probe: &Probe) -> Option<String> {
    match probe {
        Probe::Read(_) => None,
        Probe::NotTried => Some("the probe has not been read yet".to_owned()),
        Probe::Answered(error) => Some(format!("the leader cannot read its own probe: {error}")),
        Probe::Silent { times, .. } => {
            Some(format!("the leader has not answered the last {times} reads of its probe"))
        }
    }
}

fn nothing_answers(seen: &Observed) -> bool {
    seen.servers.values().all(|server| server.health.is_err())
}

fn conditions(phase: Phase, input: &Input<'_>) -> Vec<Condition> {
    let ready = phase == Phase::Ready;
    let mut all = vec![Condition {
        kind: "Ready",
        holds: ready,
        reason: phase.as_str(),
        message: if ready { "the cluster serves".to_owned() } else { String::new() },
    }];
    all.push(Condition {
        kind: "RootTokenRevoked",
        holds: input.access.is_none(),
        reason: if input.access.is_none() { "Revoked" } else { "Pending" },
        message: input.access.map_or_else(
            || "logins work and no token has policy root".to_owned(),
            |waiting| waiting.reason.clone(),
        ),
    });
    if input.key_beside_data {
        all.push(Condition {
            kind: "KeyBesideData",
            holds: true,
            reason: "LocalEncryption",
            message: "key beside data: for trials. Who copies this disk can open the cluster"
                .to_owned(),
        });
    }
    all
}

/// When a certificate in use ends first.
pub fn first_expiry(status: &Status) -> Option<Timestamp> {
    let ends = status.servers.iter().filter_map(|server| server.certificate.as_ref());
    ends.map(|certificate| certificate.not_after).min()
}

//! Makes the status of the cluster from all that was seen and told. Pure, but for the time.

use std::collections::BTreeMap;

use tokio::time::Instant;
use vaultyard_engine::keeping;
use vaultyard_model::observed::Observed;
use vaultyard_model::status::{Condition, Phase, Status};
use vaultyard_model::{Cluster, ServerName};
use vaultyard_plan::history::History;
use vaultyard_plan::status;

use super::reports::Told;
use super::scene::Scene;
use super::status::Beside;
use crate::kubernetes::report::{KeeperTold, Report};

/// Everything that a status is made of here.
pub(super) struct Sources<'a> {
    pub(super) cluster: &'a Cluster,
    /// Where clients find it.
    pub(super) url: String,
    pub(super) scene: &'a Scene<'a>,
    /// What each unsealer tells.
    pub(super) told: &'a Told,
    pub(super) seen: &'a Observed,
    pub(super) history: &'a History,
    /// How far the servers have followed what is declared; `None` of servers at rest.
    pub(super) rollout: Option<keeping::Report>,
    /// Why the objects cannot be kept.
    pub(super) hindrance: Option<String>,
    pub(super) beside: Beside<'a>,
}

/// The status of the cluster.
pub(super) fn status(sources: Sources<'_>) -> Status {
    let Sources { cluster, scene, told, seen, history, beside, .. } = sources;
    let reports: BTreeMap<&ServerName, &Report> =
        told.iter().filter_map(|(server, told)| Some((server, told.as_ref().ok()?))).collect();
    let keeper = |told: &KeeperTold| keeping::Report::from(told);
    let unsealers = reports.iter().filter_map(|(server, report)| {
        Some(((*server).clone(), keeper(&report.unsealer).waiting?))
    });
    let unsealers: BTreeMap<_, _> = unsealers.collect();
    let access = of_leader(told, seen, |report| &report.access);
    let logins = of_leader(told, seen, |report| &report.logins);
    let custody = custody(told, seen);
    // Who makes the certificates, then who sees them served.
    let made = scene.certificates.hindrance(Instant::now());
    let shown = reports.values().map(|it| keeper(&it.certificates));
    let renewals: Vec<_> = made.into_iter().chain(shown).collect();
    let unsealings: Vec<_> = reports.values().map(|it| keeper(&it.unsealer)).collect();
    let root_token = reports.values().find_map(|report| report.root_token.clone());
    let served =
        |(server, report): (&&ServerName, &&Report)| Some(((*server).clone(), report.served()?));
    let proxy = scene.proxy();
    let rolled = sources.rollout.as_ref().map(keeping::Report::lacks);
    let controllers = [
        worst(&unsealings).status("unsealer"),
        access.status("access"),
        logins.status("logins"),
        custody.status("custody"),
        worst(&renewals).status("certificates"),
        proxy.clone(),
    ];
    let controllers = controllers.into_iter();
    let rollout = sources.rollout.as_ref().map(|report| report.status("rollout"));
    let schedule = cluster
        .snapshots
        .interval
        .map(|_| of_leader(told, seen, |report| &report.schedule).status("snapshots"));
    let hindrance = beside.refused.map(str::to_owned);
    let hindrance = hindrance.or(sources.hindrance);
    let mut status = status::compose(status::Input {
        cluster,
        target: "kubernetes",
        url: sources.url,
        sites: &scene.sites,
        seen,
        history,
        stopped: beside.stopped,
        hindrance: hindrance.as_deref(),
        unsealers: &unsealers,
        access: access.lacks().as_ref(),
        logins: Some(logins.lacks().as_ref().map_or(Ok(()), Err)),
        custody: custody.waiting.as_ref(),
        renewal: worst(&renewals).lacks().as_ref(),
        rollout: rolled.as_ref().map(|lacks| lacks.as_ref().map_or(Ok(()), Err)),
        root_token: root_token.as_deref(),
        certificates: &reports.iter().filter_map(served).collect(),
        key_beside_data: reports.values().any(|report| report.key_beside_data),
        unreachable: proxy.last_error.as_deref(),
        controllers: controllers.chain(rollout).chain(schedule).collect(),
    });
    for server in &mut status.servers {
        server.image = scene.images.get(&server.name).cloned();
    }
    if let Some(what) = beside.drift.borrow().clone() {
        let (kind, reason) = ("DriftCorrected", "PutBack");
        status.conditions.push(Condition { kind, holds: true, reason, message: what });
    }
    status.conditions.extend(progress(&status, beside.refused));
    status
}

/// What the leader says of the keys: a server that ends now would stay sealed for what it waits for.
pub(super) fn custody(told: &Told, seen: &Observed) -> keeping::Report {
    of_leader(told, seen, |report| &report.custody)
}

/// What is kept by the server that leads, as it tells.
fn of_leader(told: &Told, seen: &Observed, keeper: fn(&Report) -> &KeeperTold) -> keeping::Report {
    let leader = seen.leader().and_then(|leader| told.get(leader)?.as_ref().ok());
    leader.map_or_else(keeping::Report::default, |report| keeper(report).into())
}

/// The conditions by which tools tell what only takes its time from what waits for a person (kstatus:
/// `Reconciling`, `Stalled`). They stand only while they hold.
fn progress(status: &Status, refused: Option<&str>) -> Option<Condition> {
    let condition = |kind, reason, message: &str| {
        Some(Condition { kind, holds: true, reason, message: message.to_owned() })
    };
    match (refused, status.phase) {
        (Some(why), _) => condition("Stalled", "Refused", why),
        (None, Phase::Failed) => condition("Stalled", Phase::Failed.as_str(), &status.reason),
        (None, phase @ (Phase::Initialising | Phase::Upgrading)) => {
            condition("Reconciling", phase.as_str(), &status.reason)
        }
        (None, Phase::Pending | Phase::Ready | Phase::Degraded) => None,
    }
}

/// The report that speaks for all: the first that lacks something.
fn worst(reports: &[keeping::Report]) -> keeping::Report {
    let lacking = reports.iter().find(|report| report.lacks().is_some());
    let lacking = lacking.or_else(|| reports.iter().max_by_key(|report| report.last_success));
    lacking.cloned().unwrap_or_default()
}

//! The phase of a cluster and the sentence that explains it.

use std::collections::BTreeMap;

use vaultyard_model::layout::Site;
use vaultyard_model::observed::{Observed, Probe, ServerSeen, State};
use vaultyard_model::port::keeper::Waiting;
use vaultyard_model::status::{
    CertificateStatus, Condition, ControllerStatus, Phase, Role, ServerStatus, Status,
};
use vaultyard_model::{Cluster, ServerName};

use crate::history::History;
use crate::shortfall::{self, ExitText, Shortfall};

/// Everything that a status is made of.
pub struct Input<'a> {
    /// What is wanted.
    pub cluster: &'a Cluster,
    /// `local` or `kubernetes`.
    pub target: &'static str,
    /// The URL clients use.
    pub url: String,
    /// The servers, by ordinal.
    pub sites: &'a [Site],
    /// What is.
    pub seen: &'a Observed,
    /// What was.
    pub history: &'a History,
    /// Whether a person wants it at rest.
    pub stopped: bool,
    /// Why what keeps the cluster cannot do its work; `None` when it can.
    pub hindrance: Option<&'a str>,
    /// What each server's unsealer waits for.
    pub unsealers: &'a BTreeMap<ServerName, Waiting>,
    /// What the keeper of access waits for; `None` when logins work and root is gone.
    pub access: Option<&'a Waiting>,
    /// Whether service accounts can log in, or why not; `None` where there are none.
    pub logins: Option<Result<(), &'a Waiting>>,
    /// Why a server that ends now would stay sealed; `None` while the keys are kept as far as is known.
    pub custody: Option<&'a Waiting>,
    /// What the keeper of certificates waits for; `None` when every fresh one is served.
    pub renewal: Option<&'a Waiting>,
    /// Whether every server is what the document says, or how far it is on the way; `None` where servers
    /// are not changed.
    pub rollout: Option<Result<(), &'a Waiting>>,
    /// What is known of a root token that was made from the shares and lives.
    pub root_token: Option<&'a str>,
    /// The certificates that were seen in handshakes.
    pub certificates: &'a BTreeMap<ServerName, CertificateStatus>,
    /// Whether who copies the disk has both the keys and what opens them.
    pub key_beside_data: bool,
    /// Why clients do not reach the leader; `None` when they do.
    pub unreachable: Option<&'a str>,
    /// The loops, each with its last success and error.
    pub controllers: Vec<ControllerStatus>,
}

/// The status, in the shape of `status --output json`.
pub fn compose(input: Input<'_>) -> Status {
    let servers: Vec<ServerStatus> = input.sites.iter().map(|site| server(site, &input)).collect();
    let (phase, reason) = phase(&input, &servers);
    Status {
        name: input.cluster.name.clone(),
        target: input.target,
        phase,
        conditions: conditions(phase, &reason, &input),
        reason,
        address: input.url,
        servers,
        controllers: input.controllers,
    }
}

fn server(site: &Site, input: &Input<'_>) -> ServerStatus {
    let seen = input.seen.servers.get(&site.name);
    let state = seen.and_then(ServerSeen::state);
    let lacks = shortfall::of(&site.name, input.seen, &input.cluster.servers.version);
    let mut why: Vec<String> = lacks.iter().map(Shortfall::to_string).collect();
    why.extend(input.unsealers.get(&site.name).map(|waiting| waiting.reason.clone()));
    ServerStatus {
        name: site.name.clone(),
        zone: site.zone.clone(),
        address: site.address.clone(),
        version: seen.and_then(ServerSeen::version).cloned(),
        initialized: state.map(|state| state != State::Uninitialised),
        sealed: state.map(|state| !state.is_unsealed()),
        role: match state {
            Some(State::Active) => Role::Leader,
            Some(State::Standby) => Role::Standby,
            _ => Role::None,
        },
        voter: input.seen.voter(&site.name),
        applied_index: seen.and_then(|seen| seen.raft.as_ref()).map(|raft| raft.applied),
        certificate: input.certificates.get(&site.name).cloned(),
        image: None,
        last_end: seen
            .and_then(|seen| seen.last_end.as_ref())
            .map(|end| (end.at, ExitText(&end.exit).to_string())),
        why,
    }
}

fn phase(input: &Input<'_>, servers: &[ServerStatus]) -> (Phase, String) {
    if input.stopped {
        return (Phase::Pending, at_rest(input.seen));
    }
    let lacking = servers.iter().find(|server| !server.why.is_empty());
    let lacking = lacking.map(|server| format!("{}: {}", server.name, server.why.join("; ")));
    let unready = input
        .hindrance
        .map(str::to_owned)
        .or(lacking)
        .or_else(|| input.custody.map(|waiting| waiting.reason.clone()))
        .or_else(|| input.access.map(|waiting| waiting.reason.clone()))
        .or_else(|| input.logins?.err().map(|waiting| waiting.reason.clone()))
        .or_else(|| unread(&input.seen.probe))
        .or_else(|| leaderless(input.seen))
        .or_else(|| input.unreachable.map(str::to_owned))
        .or_else(|| input.renewal.map(|waiting| waiting.reason.clone()));
    let rollout = input.rollout.and_then(Result::err);
    let unready = match rollout {
        // What is changed is not as it should be for a while, and that says less.
        Some(rollout) if !rollout.stuck && input.history.in_service => {
            return (Phase::Upgrading, rollout.reason.clone());
        }
        Some(rollout) => unready.or_else(|| Some(rollout.reason.clone())),
        None => unready,
    };
    match (stuck(input), unready) {
        (Some(reason), _) if !input.history.in_service => (Phase::Failed, reason),
        (_, None) => (Phase::Ready, ready_sentence(input)),
        (_, Some(reason)) if input.history.in_service => (Phase::Degraded, reason),
        (_, Some(reason)) if nothing_answers(input.seen) => (Phase::Pending, reason),
        (_, Some(reason)) => (Phase::Initialising, reason),
    }
}

/// Why a cluster that was never ready will not become it without a person. A server that is stuck
/// is no such reason while the others can become a majority: they work without it, and may even
/// be what it waits for. They cannot when none of them has a cluster to join and the one that
/// is to make it is stuck.
fn stuck(input: &Input<'_>) -> Option<String> {
    let servers = &input.seen.servers;
    let stuck: Vec<_> = input.unsealers.iter().filter(|(_, waiting)| waiting.stuck).collect();
    let quorum = usize::from(input.cluster.servers.replicas.quorum());
    let too_few = servers.len().saturating_sub(stuck.len()) < quorum;
    let no_cluster = servers.values().all(|it| it.state() == Some(State::Uninitialised));
    let server = stuck.first().filter(|_| too_few || no_cluster);
    let server = server.map(|(server, waiting)| format!("{server}: {}", waiting.reason));
    server.or_else(|| input.access.filter(|it| it.stuck).map(|it| it.reason.clone()))
}

fn at_rest(seen: &Observed) -> String {
    let runs = |seen: &&ServerSeen| seen.health.is_ok();
    match seen.servers.values().filter(runs).count() {
        0 => {
            "it was stopped; data and keys are kept, and `vaultyard up` starts it again".to_owned()
        }
        left => format!("it is being stopped: {left} of its servers still answer"),
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

fn leaderless(seen: &Observed) -> Option<String> {
    seen.leader().is_none().then(|| "nobody leads".to_owned())
}

/// Why clients do not reach the leader: they do only when the proxy knows it. `taken` is whom the
/// proxy takes for it.
pub fn proxy_errs(leader: Option<&ServerName>, taken: Option<&ServerName>) -> Option<String> {
    (taken != leader).then(|| match taken {
        None => "the proxy knows no leader yet".to_owned(),
        Some(other) => format!("the proxy still takes {other} for the leader"),
    })
}

fn nothing_answers(seen: &Observed) -> bool {
    seen.servers.values().all(|server| server.health.is_err())
}

fn root_token_revoked(input: &Input<'_>) -> Condition {
    let kind = "RootTokenRevoked";
    match (input.access, input.root_token) {
        (Some(waiting), _) => {
            Condition { kind, holds: false, reason: "Pending", message: waiting.reason.clone() }
        }
        (None, Some(living)) => {
            Condition { kind, holds: false, reason: "Generated", message: living.to_owned() }
        }
        (None, None) => Condition {
            kind,
            holds: true,
            reason: "Revoked",
            message: "logins work and no token has policy root".to_owned(),
        },
    }
}

fn keys_kept(lacks: Option<&Waiting>) -> Condition {
    let kind = "KeysKept";
    match lacks {
        None => Condition {
            kind,
            holds: true,
            reason: "Readable",
            message: "the keys lie in their store and can be opened".to_owned(),
        },
        Some(lacks) => {
            Condition { kind, holds: false, reason: "Lost", message: lacks.reason.clone() }
        }
    }
}

fn service_account_logins(logins: Result<(), &Waiting>) -> Condition {
    let kind = "ServiceAccountLogins";
    match logins {
        Ok(()) => Condition {
            kind,
            holds: true,
            reason: "Proven",
            message: "a login with a service account works".to_owned(),
        },
        Err(waiting) => {
            Condition { kind, holds: false, reason: "Refused", message: waiting.reason.clone() }
        }
    }
}

fn rolled_out(rollout: Result<(), &Waiting>) -> Condition {
    let kind = "RolledOut";
    match rollout {
        Ok(()) => Condition {
            kind,
            holds: true,
            reason: "Complete",
            message: "every server was started as the document says".to_owned(),
        },
        Err(waiting) => Condition {
            kind,
            holds: false,
            reason: if waiting.stuck { "Frozen" } else { "Progressing" },
            message: waiting.reason.clone(),
        },
    }
}

fn conditions(phase: Phase, why: &str, input: &Input<'_>) -> Vec<Condition> {
    let mut all = vec![Condition {
        kind: "Ready",
        holds: phase == Phase::Ready,
        reason: phase.as_str(),
        message: why.to_owned(),
    }];
    all.push(root_token_revoked(input));
    all.extend(input.logins.map(service_account_logins));
    all.extend(input.rollout.map(rolled_out));
    all.push(keys_kept(input.custody));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shortfall::tests::{healthy, name};
    use vaultyard_model::Layout;
    use vaultyard_testkit::sample;

    /// What the phase of a cluster depends on, as it is when all is well.
    struct Scene {
        seen: Observed,
        history: History,
        unsealers: BTreeMap<ServerName, Waiting>,
        access: Option<Waiting>,
        logins: Option<Waiting>,
        custody: Option<Waiting>,
        renewal: Option<Waiting>,
        rollout: Option<Waiting>,
        proxy_leader: Option<ServerName>,
    }

    /// Checks phase and reason after one change to a healthy cluster.
    fn check(change: impl FnOnce(&mut Scene), phase: Phase, reason: &str) {
        let cluster = sample::cluster(3);
        let layout = Layout::beginning_at(&cluster, [127, 0, 0, 10].into()).unwrap();
        let mut scene = Scene {
            seen: healthy(),
            history: History::default(),
            unsealers: BTreeMap::new(),
            access: None,
            logins: None,
            custody: None,
            renewal: None,
            rollout: None,
            proxy_leader: Some(name(0)),
        };
        change(&mut scene);
        let status = compose(Input {
            cluster: &cluster,
            target: "local",
            url: layout.url(),
            sites: &layout.sites(),
            seen: &scene.seen,
            history: &scene.history,
            stopped: false,
            hindrance: None,
            unsealers: &scene.unsealers,
            access: scene.access.as_ref(),
            logins: Some(scene.logins.as_ref().map_or(Ok(()), Err)),
            custody: scene.custody.as_ref(),
            renewal: scene.renewal.as_ref(),
            rollout: Some(scene.rollout.as_ref().map_or(Ok(()), Err)),
            root_token: None,
            certificates: &BTreeMap::new(),
            key_beside_data: true,
            unreachable: proxy_errs(scene.seen.leader(), scene.proxy_leader.as_ref()).as_deref(),
            controllers: Vec::new(),
        });
        assert_eq!((status.phase, status.reason.as_str()), (phase, reason));
    }

    fn waits(reason: &str, stuck: bool) -> Waiting {
        Waiting { reason: reason.to_owned(), stuck }
    }

    #[test]
    fn a_healthy_cluster_is_ready() {
        let sentence = "3 servers are unsealed, caught up and voting; vault-0 leads";
        check(|_| {}, Phase::Ready, sentence);
    }

    #[test]
    fn a_rollout_under_way_is_upgrading_and_one_that_is_frozen_degraded() {
        let under_way = |in_service, stuck| {
            move |scene: &mut Scene| {
                scene.history.in_service = in_service;
                scene.rollout = Some(waits("2 servers are left", stuck));
            }
        };
        check(under_way(true, false), Phase::Upgrading, "2 servers are left");
        check(under_way(true, true), Phase::Degraded, "2 servers are left");
        check(under_way(false, false), Phase::Initialising, "2 servers are left");
    }

    #[test]
    fn before_it_in_service_a_shortfall_is_initialising_and_afterwards_degraded() {
        let sealed = |scene: &mut Scene| {
            let server = scene.seen.servers.get_mut(&name(2)).unwrap();
            server.health.as_mut().unwrap().state = State::Sealed;
        };
        check(sealed, Phase::Initialising, "vault-2: it is sealed");
        let later = |scene: &mut Scene| {
            sealed(scene);
            scene.history.in_service = true;
        };
        check(later, Phase::Degraded, "vault-2: it is sealed");
    }

    #[test]
    fn a_cluster_that_is_waited_for_no_longer_is_degraded_though_it_was_never_ready() {
        check(
            |scene| {
                let server = scene.seen.servers.get_mut(&name(2)).unwrap();
                server.health.as_mut().unwrap().state = State::Sealed;
                scene.history = History::default().after_phase(Phase::Initialising, true);
            },
            Phase::Degraded,
            "vault-2: it is sealed",
        );
    }

    #[test]
    fn a_cluster_with_a_root_token_is_not_ready() {
        let reason = "the root token is not revoked yet";
        check(|scene| scene.access = Some(waits(reason, false)), Phase::Initialising, reason);
    }

    #[test]
    fn a_cluster_whose_keys_are_gone_is_not_ready_though_all_servers_are_unsealed() {
        let reason = "the keys: they are gone";
        check(
            |scene| {
                scene.custody = Some(waits(reason, false));
                scene.history.in_service = true;
            },
            Phase::Degraded,
            reason,
        );
    }

    #[test]
    fn a_cluster_that_lets_no_service_account_in_is_not_ready() {
        let reason = "a login that must work is refused";
        check(|scene| scene.logins = Some(waits(reason, false)), Phase::Initialising, reason);
    }

    #[test]
    fn a_cluster_that_serves_an_old_certificate_is_not_ready() {
        let reason = "vault-1: it does not serve its new certificate yet";
        check(|scene| scene.renewal = Some(waits(reason, false)), Phase::Initialising, reason);
    }

    #[test]
    fn a_cluster_that_has_just_lost_its_leader_is_not_ready_on_what_was_read_before() {
        check(
            |scene| {
                let leader = scene.seen.servers.get_mut(&name(0)).unwrap();
                leader.health.as_mut().unwrap().state = State::Standby;
                scene.proxy_leader = None;
            },
            Phase::Initialising,
            "nobody leads",
        );
    }

    #[test]
    fn a_cluster_whose_probe_was_not_read_is_not_ready() {
        check(
            |scene| scene.seen.probe = Probe::Answered("500 internal error".to_owned()),
            Phase::Initialising,
            "the leader cannot read its own probe: 500 internal error",
        );
    }

    #[test]
    fn a_cluster_that_clients_cannot_reach_is_not_ready() {
        check(
            |scene| scene.proxy_leader = Some(name(1)),
            Phase::Initialising,
            "the proxy still takes vault-1 for the leader",
        );
    }

    #[test]
    fn an_unsealer_that_cannot_go_on_fails_a_new_cluster_and_only_degrades_an_old_one() {
        let stuck = |scene: &mut Scene| {
            for server in scene.seen.servers.values_mut() {
                server.health.as_mut().unwrap().state = State::Sealed;
            }
            scene.unsealers.insert(name(0), waits("the keys are gone", true));
            scene.unsealers.insert(name(1), waits("the keys are gone", true));
        };
        check(stuck, Phase::Failed, "vault-0: the keys are gone");
        check(
            |scene| {
                stuck(scene);
                scene.history.in_service = true;
            },
            Phase::Degraded,
            "vault-0: it is sealed; the keys are gone",
        );
    }

    #[test]
    fn one_stuck_server_does_not_fail_a_cluster_whose_majority_works() {
        check(
            |scene| {
                let server = scene.seen.servers.get_mut(&name(2)).unwrap();
                server.health.as_mut().unwrap().state = State::Sealed;
                scene.unsealers.insert(name(2), waits("its data is another cluster's", true));
            },
            Phase::Initialising,
            "vault-2: it is sealed; its data is another cluster's",
        );
    }

    #[test]
    fn a_server_that_is_stuck_before_the_others_are_unsealed_does_not_fail_the_cluster() {
        check(
            |scene| {
                for server in scene.seen.servers.values_mut() {
                    server.health.as_mut().unwrap().state = State::Sealed;
                }
                scene.unsealers.insert(name(2), waits("its data is another cluster's", true));
            },
            Phase::Initialising,
            "vault-0: it is sealed",
        );
    }

    #[test]
    fn a_stuck_server_does_not_fail_a_cluster_that_another_one_is_still_joining() {
        check(
            |scene| {
                let joiner = scene.seen.servers.get_mut(&name(1)).unwrap();
                joiner.health.as_mut().unwrap().state = State::Uninitialised;
                let foreign = scene.seen.servers.get_mut(&name(2)).unwrap();
                foreign.health.as_mut().unwrap().state = State::Sealed;
                scene.unsealers.insert(name(2), waits("its data is another cluster's", true));
            },
            Phase::Initialising,
            "vault-1: it is not initialised: it has not joined yet",
        );
    }

    #[test]
    fn a_cluster_whose_first_server_cannot_be_initialised_has_failed() {
        check(
            |scene| {
                for server in scene.seen.servers.values_mut() {
                    server.health.as_mut().unwrap().state = State::Uninitialised;
                }
                scene.unsealers.insert(name(0), waits("the store refuses the keys", true));
            },
            Phase::Failed,
            "vault-0: the store refuses the keys",
        );
    }

    #[test]
    fn a_cluster_that_does_not_answer_at_all_is_pending() {
        check(
            |scene| {
                for server in scene.seen.servers.values_mut() {
                    server.health = Err("cannot be reached".to_owned());
                }
                scene.seen.probe = Probe::NotTried;
            },
            Phase::Pending,
            "vault-0: it runs but cannot be reached",
        );
    }
}

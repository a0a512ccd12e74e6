//! What an unsealer answers at its doors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};
use vaultyard_engine::board::Board;
use vaultyard_engine::keeping;
use vaultyard_engine::watcher::Looks;
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::Observed;
use vaultyard_model::port::clock::Clock;
use vaultyard_plan::shutdown::{HandOver, hand_over};
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::{Api, Reference};

use super::door::{self, Answer};
use super::draining::Draining;
use super::gauges::{self, Expiries};
use super::hindrance::Hindrance;
use super::holding::{HELD, HOLD, QUESTION};
use super::operation::Progress;
use super::pod::ServerPod;
use super::report::{Report, Sources};
use super::snapshots::Answered;
use super::{ready, witness};
use crate::snapshots::Listed;
use crate::system::SystemClock;
use crate::{identities, metrics};

/// How long the API server may take to say whether the pod is being deleted, and how often it is asked.
const ASKING: Duration = Duration::from_secs(3);
const ASKED: u32 = 3;
/// How long another server may take until it can lead: the pod's grace leaves no more.
const SUCCESSION: Duration = Duration::from_secs(25);
/// How long the proxies may take until nothing is in flight.
const IN_FLIGHT: Duration = Duration::from_secs(10);
/// Between two questions to an API server that refuses.
const PAUSE: Duration = Duration::from_millis(500);
/// So long a report waits for a look: less than its reader does for the report.
const REPORTED: Duration = Duration::from_millis(250);
/// Between two looks for a server that could take over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The answers of one unsealer, from its first moment on.
pub(crate) struct Telling {
    pod: Arc<ServerPod>,
    /// Why it has not begun yet.
    hindrance: Hindrance,
    begun: OnceLock<Begun>,
    draining: Draining,
}

/// What there is to tell once everything runs.
pub(crate) struct Begun {
    /// What was last seen.
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    /// What is seen now.
    pub(crate) looks: Looks,
    /// What the loops publish.
    pub(crate) board: Board,
    /// Whether logins with service accounts work.
    pub(crate) logins: watch::Receiver<keeping::Report>,
    /// Whether a snapshot that is asked for can be taken, and the last that was.
    pub(crate) snapshots: watch::Receiver<keeping::Report>,
    pub(crate) answered: watch::Receiver<Option<Answered>>,
    /// How far the last operation is that this unsealer has begun, and the snapshots on its volume.
    pub(crate) operation: watch::Receiver<Option<Progress>>,
    pub(crate) kept_snapshots: watch::Receiver<Option<Vec<Listed>>>,
    /// The API server.
    pub(crate) api: Api,
    /// Whether who copies the disk has both the keys and what opens them.
    pub(crate) key_beside_data: bool,
    /// When the keys last unsealed which server.
    pub(crate) log: UnsealLog,
}

impl Telling {
    /// Nothing has begun yet.
    pub(crate) fn new(pod: Arc<ServerPod>) -> Self {
        let hindrance = Hindrance::default();
        Self { pod, hindrance, begun: OnceLock::new(), draining: Draining::default() }
    }

    /// Tells, and logs once, why it cannot begin.
    pub(crate) fn cannot_begin(&self, why: &str) {
        self.hindrance.set(Some(why.to_owned()));
    }

    /// From now on everything is told that the loops publish.
    pub(crate) fn begin(&self, begun: Begun) {
        self.begun.set(begun).ok();
    }

    /// The answer to a question of kubelet, a scraper or a controller; `None` when it is none.
    pub(crate) async fn answer(&self, path: &str) -> Option<Answer> {
        match path {
            "/ready" => Some(door::readiness(self.lacks().as_deref())),
            "/report" => Some(self.report().await),
            "/metrics" => Some(metrics::text(&self.gauges())),
            "/drained" => Some(self.drained().await),
            _ => None,
        }
    }

    /// The answer to another part of the cluster, which is known by its certificate.
    pub(crate) async fn answer_inner(&self, caller: &str, request: &Request<Incoming>) -> Answer {
        let proxies = identities::proxies(&self.pod.cluster.name);
        let (method, path) = (request.method(), request.uri().path());
        if caller == proxies {
            match (method, path.strip_prefix(QUESTION), path.strip_prefix(HELD)) {
                (&Method::GET, Some(proxy), _) => {
                    let hold = self.draining.is_to_hold(proxy).await;
                    return door::word(if hold { HOLD } else { "go on" });
                }
                (&Method::POST, _, Some(proxy)) => {
                    self.draining.holds(proxy);
                    return door::word("noted");
                }
                _ => return door::not_found(),
            }
        }
        if caller == Identity::Vaultyard.as_str()
            && (method, path) == (&Method::GET, witness::QUESTION)
        {
            return match self.begun.get() {
                Some(begun) => door::json(witness::answer(&begun.log, &self.pod.server)),
                None => door::text(StatusCode::SERVICE_UNAVAILABLE, "it has not begun yet"),
            };
        }
        door::text(StatusCode::FORBIDDEN, "nothing here is for this certificate")
    }

    /// Kubelet asks before it ends the server of a pod that goes; the answer is waited for. It comes
    /// when the server may be ended without a failed request, or when nothing better can be had in the
    /// time that the pod has.
    async fn drained(&self) -> Answer {
        let Some(begun) = self.begun.get() else { return door::word("it has not begun yet") };
        if !self.goes(&begun.api).await {
            return door::word("the pod is not being deleted, as far as can be told");
        }
        if !self.can_hand_over(begun).await {
            return door::word("nothing is to be held");
        }
        info!("the pod goes while its server leads: the proxies hold");
        let missing = self.draining.drain(IN_FLIGHT).await;
        if !missing.is_empty() {
            warn!("not held by {}, within {IN_FLIGHT:?}", missing.join(", "));
        }
        door::word("nothing is in flight")
    }

    /// Whether the pod is being deleted: anybody near can ask here, and only Kubernetes knows.
    async fn goes(&self, api: &Api) -> bool {
        let pod = Reference::within(POD, self.pod.names.namespace(), self.pod.server.as_str());
        for _ in 0..ASKED {
            match timeout(ASKING, api.get(&pod)).await {
                Ok(Ok(pod)) => {
                    return pod.is_some_and(|pod| pod["metadata"]["deletionTimestamp"].is_string());
                }
                Ok(Err(error)) => {
                    warn!("{error}");
                    sleep(PAUSE).await;
                }
                Err(_) => {
                    warn!("the API server does not say within {ASKING:?} whether the pod goes")
                }
            }
        }
        false
    }

    /// Waits until the server leads and another could; false when it does not lead, or that cannot be
    /// had in time.
    async fn can_hand_over(&self, begun: &Begun) -> bool {
        let (server, wanted) = (&self.pod.server, &self.pod.cluster.servers.version);
        let until = Instant::now() + SUCCESSION;
        let mut why = "nothing was seen of it";
        // What was seen before the question may be over.
        while let Ok(Some(seen)) = timeout_at(until, begun.looks.fresh()).await {
            match hand_over(&seen, server, wanted) {
                HandOver::Nothing => return false,
                HandOver::To(_) => return true,
                HandOver::NotYet(lacks) => why = lacks,
            }
            sleep(LOOK_AGAIN).await;
        }
        warn!("the pod goes, and what its server leads could not be handed over in time: {why}");
        false
    }

    fn lacks(&self) -> Option<String> {
        let Some(begun) = self.begun.get() else {
            let why = self.hindrance.get();
            return Some(why.unwrap_or_else(|| "it has not begun yet".to_owned()));
        };
        let wanted = &self.pod.cluster.servers.version;
        ready::lacks(&self.pod.server, begun.observed.borrow().as_ref(), wanted)
    }

    /// Made anew for each scrape: there is nothing in it but what is seen now.
    fn gauges(&self) -> Registry {
        let mut registry = Registry::with_prefix("vaultyard");
        let server = &self.pod.server;
        let seen = self.begun.get().and_then(|begun| begun.observed.borrow().clone());
        let own = seen.as_ref().and_then(|seen| seen.servers.get(server));
        gauges::server(&mut registry, own);
        gauges::room(&mut registry, own.and_then(|seen| seen.free_bytes));
        let expiries = Expiries::register(&mut registry);
        if let Some(begun) = self.begun.get()
            && let Some(served) = begun.board.served.borrow().get(server)
        {
            expiries.set(server.as_str(), served.not_after);
        }
        if let Some(all) = self.begun.get().and_then(|begun| begun.kept_snapshots.borrow().clone())
        {
            gauges::snapshots(&mut registry, &all, SystemClock.now());
        }
        registry
    }

    /// Raft indices of two unsealers can be compared only when both have looked at the same time, which is
    /// when they are asked.
    async fn report(&self) -> Answer {
        if let Some(begun) = self.begun.get() {
            // One that cannot look tells what it saw before.
            let _ = timeout(REPORTED, begun.looks.fresh()).await;
        }
        let Some(report) = self.begun.get().and_then(|begun| self.told(begun)) else {
            let why = self.lacks().unwrap_or_default();
            return door::text(StatusCode::SERVICE_UNAVAILABLE, &why);
        };
        match serde_json::to_vec(&report) {
            Ok(bytes) => door::json(bytes),
            Err(error) => door::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn told(&self, begun: &Begun) -> Option<Report> {
        let Begun { observed, board, .. } = begun;
        let server = &self.pod.server;
        let unsealer = board.unsealers.get(server).map(|report| report.borrow().clone());
        let served = board.served.borrow();
        Some(Report::from(Sources {
            server,
            observed: observed.borrow().as_ref()?,
            unsealer: &unsealer.unwrap_or_else(keeping::Report::default),
            access: &board.access.borrow(),
            logins: &begun.logins.borrow(),
            custody: &board.custody.borrow(),
            snapshots: &begun.snapshots.borrow(),
            schedule: board.snapshots.as_ref().map(|it| it.borrow().clone()).unwrap_or_default(),
            snapshot: begun.answered.borrow().clone(),
            operation: begun.operation.borrow().clone(),
            kept_snapshots: begun.kept_snapshots.borrow().clone(),
            certificates: &board.certificates.borrow(),
            served: served.get(server),
            root_token: board.root_token.borrow().clone(),
            key_beside_data: begun.key_beside_data,
        }))
    }
}

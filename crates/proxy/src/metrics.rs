//! What the proxy counts. Labels are fixed words; nothing that a client sends becomes one.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::replay::{Kind, Reason};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server's answer was given, below 500.
    Answered,
    /// The server's answer was given, 500 or above.
    ServerError,
    /// The proxy refused it: a guarded operation or a malformed request.
    Refused,
    /// The body was larger than the server takes, or did not come.
    Body,
    /// Held too long, or too many held.
    Unavailable,
    /// The connection broke after the request was sent.
    Broken,
    /// No answer in time.
    Silent,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Answered,
        Self::ServerError,
        Self::Refused,
        Self::Body,
        Self::Unavailable,
        Self::Broken,
        Self::Silent,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::Body => "body",
            Self::Unavailable => "unavailable",
            Self::Broken => "broken",
            Self::Silent => "silent",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplayLabels {
    reason: &'static str,
}

/// The counters of one proxy, registered under the prefix `proxy_`; the
/// registry brings the program's own.
pub struct Metrics {
    requests: [[Counter; Outcome::ALL.len()]; Kind::ALL.len()],
    replays: [Counter; Reason::ALL.len()],
    pub(crate) in_flight: Gauge,
    pub(crate) held: Gauge,
    pub(crate) long_answers: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
    pub(crate) handshakes_failed: Counter,
    pub(crate) leader_changes: Counter,
    pub(crate) hold_seconds: Histogram,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("proxy");
        let requests = Family::<RequestLabels, Counter>::default();
        let replays = Family::<ReplayLabels, Counter>::default();
        let by_label = Self {
            requests: Kind::ALL.map(|kind| {
                Outcome::ALL.map(|outcome| {
                    let labels = RequestLabels { kind: kind.as_str(), outcome: outcome.as_str() };
                    requests.get_or_create_owned(&labels)
                })
            }),
            replays: Reason::ALL.map(|reason| {
                replays.get_or_create_owned(&ReplayLabels { reason: reason.as_str() })
            }),
            in_flight: Gauge::default(),
            held: Gauge::default(),
            long_answers: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
            leader_changes: Counter::default(),
            hold_seconds: Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
        };
        registry.register("requests", "Requests by kind and how they ended", requests);
        registry.register("replays", "Requests sent once more, by reason", replays);
        let own = &by_label;
        registry.register("in_flight", "Requests at the leader", own.in_flight.clone());
        registry.register("held", "Requests that wait for a leader or a slot", own.held.clone());
        registry.register(
            "long_answers",
            "Long answers that are being passed on",
            own.long_answers.clone(),
        );
        registry.register("connections", "Open connections of clients", own.connections.clone());
        registry.register(
            "connections_refused",
            "Connections beyond what one client or all may have",
            own.connections_refused.clone(),
        );
        registry.register(
            "handshakes_failed",
            "Connections that never became TLS",
            own.handshakes_failed.clone(),
        );
        registry.register(
            "leader_changes",
            "How often another server became known as the leader",
            own.leader_changes.clone(),
        );
        registry.register(
            "hold_seconds",
            "How long requests waited for a leader or a slot",
            own.hold_seconds.clone(),
        );
        by_label
    }

    pub(crate) fn ended(&self, kind: Kind, outcome: Outcome) {
        self.requests[kind as usize][outcome as usize].inc();
    }

    pub(crate) fn replayed(&self, reason: Reason) {
        self.replays[reason as usize].inc();
    }
}

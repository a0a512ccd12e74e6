//! What an unsealer answers at its door.

use std::sync::{Arc, OnceLock};

use http::StatusCode;
use tokio::sync::watch;
use tracing::warn;
use vaultyard_engine::board::Board;
use vaultyard_engine::keeping;
use vaultyard_model::observed::Observed;

use super::door::{self, Answer};
use super::pod::ServerPod;
use super::ready;
use super::report::{Report, Sources};

/// The answers of one unsealer, from its first moment on.
pub(crate) struct Telling {
    pod: Arc<ServerPod>,
    /// Why it has not begun yet.
    hindrance: watch::Sender<Option<String>>,
    begun: OnceLock<Begun>,
}

struct Begun {
    observed: watch::Receiver<Option<Observed>>,
    board: Board,
}

impl Telling {
    /// Nothing has begun yet.
    pub(crate) fn new(pod: Arc<ServerPod>) -> Self {
        Self { pod, hindrance: watch::channel(None).0, begun: OnceLock::new() }
    }

    /// Tells, and logs once, why it cannot begin.
    pub(crate) fn cannot_begin(&self, why: &str) {
        self.hindrance.send_if_modified(|before| {
            let news = before.as_deref() != Some(why);
            if news {
                warn!("cannot begin: {why}");
                *before = Some(why.to_owned());
            }
            news
        });
    }

    /// From now on everything is told that the loops publish.
    pub(crate) fn begin(&self, observed: watch::Receiver<Option<Observed>>, board: Board) {
        self.begun.set(Begun { observed, board }).ok();
    }

    /// The answer to a question; `None` when it is none of ours.
    pub(crate) fn answer(&self, path: &str) -> Option<Answer> {
        match path {
            "/ready" => Some(door::readiness(self.lacks().as_deref())),
            "/report" => Some(self.report()),
            "/drained" => Some(door::text(StatusCode::OK, "nothing is in flight")),
            _ => None,
        }
    }

    fn lacks(&self) -> Option<String> {
        let Some(begun) = self.begun.get() else {
            let why = self.hindrance.borrow().clone();
            return Some(why.unwrap_or_else(|| "it has not begun yet".to_owned()));
        };
        let wanted = &self.pod.cluster.servers.version;
        ready::lacks(&self.pod.server, begun.observed.borrow().as_ref(), wanted)
    }

    fn report(&self) -> Answer {
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
        let Begun { observed, board } = begun;
        let server = &self.pod.server;
        let unsealer = board.unsealers.get(server).map(|report| report.borrow().clone());
        let served = board.served.borrow();
        Some(Report::from(Sources {
            server,
            observed: observed.borrow().as_ref()?,
            unsealer: &unsealer.unwrap_or_else(keeping::Report::default),
            access: &board.access.borrow(),
            certificates: &board.certificates.borrow(),
            served: served.get(server),
            root_token: board.root_token.borrow().clone(),
        }))
    }
}

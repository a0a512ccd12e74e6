//! Which of several equal processes leads, agreed upon through a Lease.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};
use vaultyard_model::port::clock::Clock;

use crate::backoff::Backoff;
use crate::client::Api;
use crate::error::{ApiError, Reason};
use crate::object::Apply;
use crate::reference::Reference;

mod decide;
mod note;
mod pulse;

pub use note::hindrance;
pub use pulse::{DOUBTFUL, Pulse, is_doubtful, last_sign, pulse};

use decide::{Decision, Record, Seen, decide};

/// So long others wait after the last sign of life. With the time that a watch takes to tell, that
/// is less than 15 s after the leader's death.
const LASTS: Duration = Duration::from_secs(13);
/// How often the leader gives a sign of life.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// After so long without having given one it leads no more, well before others may.
const GIVE_UP: Duration = Duration::from_secs(9);
/// How long giving the Lease back may take when the process ends.
const RELEASE: Duration = Duration::from_secs(2);

/// Who runs for a Lease.
pub struct Candidate {
    /// What nobody else is called: the pod's name.
    pub identity: String,
    /// The labels with which the Lease is made when there is none.
    pub labels: BTreeMap<String, String>,
    /// Why the work of the leader cannot be done, which each sign of life says.
    pub hindrance: Receiver<Option<String>>,
}

/// One candidate's part in an election.
pub struct Election {
    api: Api,
    lease: Reference,
    candidate: Candidate,
    clock: Arc<dyn Clock>,
    leads: Sender<bool>,
}

impl Election {
    /// The receiver tells whether this candidate leads.
    pub fn new(
        api: Api,
        lease: Reference,
        candidate: Candidate,
        clock: Arc<dyn Clock>,
    ) -> (Self, Receiver<bool>) {
        let (leads, led) = watch::channel(false);
        (Self { api, lease, candidate, clock, leads }, led)
    }

    fn identity(&self) -> &str {
        &self.candidate.identity
    }

    /// Runs for the Lease, and keeps it, until `stop`; then gives it back, so that the next one leads
    /// at once. Whoever stops it has ended the leader's work before.
    ///
    /// Needs the rights to list, watch, get, create and patch the Lease by its name.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            let held = tokio::select! {
                () = &mut stop => return,
                held = self.wait_for_turn() => held,
            };
            info!(lease = %self.lease, identity = self.identity(), "leads");
            self.leads.send_replace(true);
            let mut held = held;
            tokio::select! {
                () = &mut stop => {
                    self.leads.send_replace(false);
                    self.release(&held).await;
                    return;
                }
                () = self.keep(&mut held) => {}
            }
            self.leads.send_replace(false);
            warn!(lease = %self.lease, identity = self.identity(), "leads no more");
        }
    }

    /// Returns the Lease as it is once this candidate holds it.
    async fn wait_for_turn(&self) -> Held {
        let mut changes = pin!(crate::watch::watch(self.api.clone(), self.lease.clone()));
        let mut backoff = Backoff::default();
        let mut seen = self.next(&mut changes).await;
        loop {
            let decision = decide(seen.as_ref(), self.identity(), Instant::now().into_std());
            if let Decision::Wait(time) = decision {
                tokio::select! {
                    next = self.next(&mut changes) => seen = next,
                    () = sleep(time) => {}
                }
                continue;
            }
            match self.claim(seen.as_ref().map(|seen| &seen.record)).await {
                Ok(held) => return held,
                // Somebody was faster. The watch says who, though perhaps not at once.
                Err(error) if error.is_conflict() => seen = self.next(&mut changes).await,
                Err(error) => {
                    warn!("{error}");
                    tokio::select! {
                        next = self.next(&mut changes) => seen = next,
                        () = sleep(backoff.after(Some(&error))) => {}
                    }
                }
            }
        }
    }

    async fn next<S>(&self, changes: &mut std::pin::Pin<&mut S>) -> Option<Seen>
    where
        S: Stream<Item = Result<Option<Value>, ApiError>>,
    {
        loop {
            match changes.next().await {
                Some(Ok(lease)) => {
                    let since = Instant::now().into_std();
                    return lease.map(|lease| Seen { record: Record::read(&lease), since });
                }
                Some(Err(error)) => warn!("{error}"),
                // The stream never ends.
                None => std::future::pending().await,
            }
        }
    }

    async fn claim(&self, before: Option<&Record>) -> Result<Held, ApiError> {
        let last_sign = Instant::now();
        let now = self.clock.now();
        let lease = match before {
            Some(before) => {
                let hindrance = self.candidate.hindrance.borrow().clone();
                let mut patch = decide::claim(before, self.identity(), LASTS, now);
                patch["metadata"]["annotations"] = json!({note::HINDRANCE: hindrance});
                self.patch(&patch).await?
            }
            None => self.create(now).await?,
        };
        Ok(Held { record: Record::read(&lease), last_sign })
    }

    async fn create(&self, now: Timestamp) -> Result<Value, ApiError> {
        let kind = self.lease.kind();
        let spec = decide::claim(&Record::default(), self.identity(), LASTS, now)["spec"].take();
        let body = json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": self.lease.name(), "labels": self.candidate.labels},
            "spec": spec,
        });
        let apply = Apply { manager: self.identity(), force: false, dry_run: false };
        let answer = self.api.apply_patch(&self.lease, &apply, &body).await?;
        if answer.created {
            return Ok(answer.body);
        }
        let message = "it was created in this moment".to_owned();
        let reason = Reason::Conflict { message, fields: Vec::new() };
        Err(ApiError { act: format!("create {}", self.lease), reason })
    }

    async fn patch(&self, patch: &Value) -> Result<Value, ApiError> {
        self.api.merge(&self.lease, "", self.identity(), patch).await
    }

    /// Returns when the Lease is not held any more, or cannot be known to be.
    async fn keep(&self, held: &mut Held) {
        let mut wait = RENEW_EVERY;
        let mut backoff = Backoff::default();
        loop {
            let end = held.last_sign + GIVE_UP;
            if timeout_at(end, sleep(wait)).await.is_err() {
                return;
            }
            let Ok(renewed) = timeout_at(end, self.renew(&held.record)).await else { return };
            match renewed {
                Ok(Some(renewed)) => {
                    *held = renewed;
                    wait = RENEW_EVERY;
                    backoff.reset();
                }
                Ok(None) => return,
                Err(error) => {
                    warn!("{error}");
                    wait = backoff.after(Some(&error)).min(RENEW_EVERY);
                }
            }
        }
    }

    /// `None` when somebody else holds the Lease.
    async fn renew(&self, record: &Record) -> Result<Option<Held>, ApiError> {
        match self.claim(Some(record)).await {
            Err(error) if error.is_conflict() || error.is_not_found() => {}
            other => return other.map(Some),
        }
        match self.still_held().await? {
            Some(now) => self.claim(Some(&now)).await.map(Some),
            None => Ok(None),
        }
    }

    /// The Lease as it is now; `None` when somebody else holds it. Who writes something else on it does
    /// not take it; who deletes it does.
    async fn still_held(&self) -> Result<Option<Record>, ApiError> {
        let now = self.api.get(&self.lease).await?.map(|lease| Record::read(&lease));
        Ok(now.filter(|now| now.holder == self.identity()))
    }

    async fn release(&self, held: &Held) {
        match tokio::time::timeout(RELEASE, self.give_back(&held.record)).await {
            Ok(Ok(())) => {
                info!(lease = %self.lease, identity = self.identity(), "gave the lead back")
            }
            Ok(Err(error)) => warn!("{error}"),
            Err(_) => warn!("the lead was not given back in time; it ends by itself"),
        }
    }

    async fn give_back(&self, record: &Record) -> Result<(), ApiError> {
        match self.patch(&decide::release(record)).await {
            Err(error) if error.is_conflict() => {}
            other => return other.map(drop),
        }
        match self.still_held().await? {
            Some(now) => self.patch(&decide::release(&now)).await.map(drop),
            None => Ok(()),
        }
    }
}

struct Held {
    record: Record,
    /// When the last sign of life that arrived was sent.
    last_sign: Instant,
}

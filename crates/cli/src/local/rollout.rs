//! Changes the servers of this machine, one at a time.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};
use vaultyard_engine::departure::stays_out;
use vaultyard_engine::keeping::Report;
use vaultyard_engine::supervisor::Supervised;
use vaultyard_engine::watcher::Looks;
use vaultyard_keys::fault::{FaultHook, points};
use vaultyard_model::observed::{Observed, ProcessSeen, ServerSeen};
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::host::{Host, HostError, Signal};
use vaultyard_model::port::rollout::{Rollout, Standing, VersionChange};
use vaultyard_model::port::server::Operator;
use vaultyard_model::{Cluster, ServerName, Version, chain};
use vaultyard_plan::shutdown::{HandOver, hand_over};
use vaultyard_plan::versions;
use vaultyard_proxy::Handle;
use vaultyard_target_local::LocalLauncher;

use super::assemble::wires::Stand;
use super::keys::Custody;
use super::snapshots;
use super::state::Known;
use crate::snapshots::Moment;

/// How long the proxy may take until nothing is in flight.
const IN_FLIGHT: Duration = Duration::from_secs(10);
/// How long a fresh look at all servers may take.
const LOOK: Duration = Duration::from_secs(5);
/// How long a server that was ended may take until it is seen to stay out of raft.
const STAYS_OUT: Duration = Duration::from_secs(60);
const WHY: &str = "it is started as is declared now";

/// The named steps, in the order in which a change of version or of the number of servers comes to them. Each is a
/// fault point before and after it: `rollout/STEP/before`, `rollout/STEP/after`.
pub(crate) const STEPS: [&str; 6] =
    ["take-snapshot", "drain", "renew", "remove-peer", "remove", "add"];

/// The servers of this machine, as what changes them.
pub(crate) struct LocalRollout {
    /// Starts them as they were, or as is declared.
    pub(crate) launcher: Arc<LocalLauncher>,
    /// Their processes.
    pub(crate) servers: BTreeMap<ServerName, Supervised>,
    /// The cluster as Vaultyard's own login sees it.
    pub(crate) operator: Arc<dyn Operator>,
    /// Holds requests.
    pub(crate) proxy: Handle,
    /// The cluster's files and addresses.
    pub(crate) known: Known,
    /// Its keys, and whether they are kept.
    pub(crate) custody: (Custody, watch::Receiver<Report>),
    /// What was last seen.
    pub(crate) observed: watch::Receiver<Option<Observed>>,
    /// What is seen now.
    pub(crate) looks: Looks,
    /// What is declared.
    pub(crate) cluster: watch::Receiver<Cluster>,
    /// Told how many servers are to stand.
    pub(crate) standing: watch::Sender<Stand>,
    /// The version before which no snapshot is wanted.
    pub(crate) without_snapshot: watch::Receiver<Option<Version>>,
    /// How often a document was declared.
    pub(crate) generation: watch::Receiver<u64>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Fault points.
    pub(crate) faults: Arc<dyn FaultHook>,
}

#[async_trait]
impl Rollout for LocalRollout {
    async fn standing(&self) -> Result<Standing, HostError> {
        let failed = |error: &dyn Error| refused("tell what servers were started as", chain(error));
        let generation = *self.generation.borrow();
        let (version, stale) = self.launcher.standing().map_err(|error| failed(&error))?;
        let change = self.change_towards(&version)?;
        let led_by = self.led_by();
        if let Some(change) = change.as_ref().filter(|_| led_by.as_ref() == Some(&version)) {
            self.note_led(change)?;
        }
        let software = self.known.document.cluster.servers.software;
        let barred = led_by.and_then(|led_by| versions::barred(software, &led_by, &version));
        let others = stale.values().filter(|(_, runs)| *runs != version).count();
        let begun = others < self.servers.len();
        let lost = self.custody.1.borrow().waiting.clone();
        Ok(Standing {
            generation,
            snapshot: change.is_some_and(|change| {
                change.covers(begun, self.wants_snapshot(&version), self.clock.now())
            }),
            stale: stale.into_iter().map(|(server, (stale, _))| (server, stale)).collect(),
            servers: self.cluster.borrow().wanted(),
            version,
            hindrance: lost.map(|lost| lost.reason).or(barred),
        })
    }

    async fn take_snapshot(&self) -> Result<(), HostError> {
        const WHAT: &str = "take a snapshot before the version changes";
        let failed = |error: &dyn Error| refused(WHAT, chain(error));
        let (towards, stale) = self.launcher.standing().map_err(|error| failed(&error))?;
        let from = stale.into_values().map(|(_, runs)| runs).filter(|runs| *runs != towards);
        let (from, taken) = (from.collect(), self.clock.now());
        let snapshot = if self.wants_snapshot(&towards) {
            let shelf = snapshots::shelf(&self.known);
            let taking =
                snapshots::take(&self.known, &self.custody.0, &shelf, Moment::asked(taken));
            let kept = self.step("take-snapshot", taking).await;
            let kept = kept.map_err(|failure| refused(WHAT, failure.message().to_owned()))?;
            info!(snapshot = %kept.name, "the change of version is bound to this snapshot");
            Some(kept.name.to_string())
        } else {
            info!("no snapshot is wanted before the change of version");
            None
        };
        let change = VersionChange { from, towards, snapshot, taken, led: false };
        self.known.state.keep_version_change(&change).map_err(|error| failed(&error))
    }

    async fn replace(
        &self,
        server: &ServerName,
        leads: bool,
        version: &Version,
    ) -> Result<(), HostError> {
        let not_now = |why: &str| refused(&format!("replace {server}"), why.to_owned());
        let process = self.servers.get(server).ok_or_else(|| not_now("there is no such server"))?;
        // The one that goes is not taken for the leader any more, so requests wait for another one until
        // there is one.
        let _excluded = if leads { self.proxy.exclude(server) } else { None };
        if leads {
            self.step("drain", self.drain(server)).await;
        }
        // Meanwhile the one that was to take over may have gone, or another one may lead.
        let seen = self.fresh().await;
        let seen = seen.ok_or_else(|| not_now("the servers are not seen"))?;
        let alone = self.servers.len() == 1;
        match hand_over(&seen, server, version) {
            HandOver::Nothing if !leads => {}
            HandOver::To(_) if leads => {}
            _ if alone => {}
            HandOver::NotYet(why) => return Err(not_now(why)),
            HandOver::Nothing => return Err(not_now("it does not lead any more")),
            HandOver::To(_) => return Err(not_now("it leads now")),
        }
        if leads && let Some(change) = self.change_towards(version)? {
            self.note_led(&change)?;
        }
        if !self.launcher.renew(server, version) {
            return Err(not_now("the document says something else by now"));
        }
        let renewed = async {
            match seen.servers.get(server).and_then(ServerSeen::pid) {
                Some(pid) => process.restart_process(pid, Signal::Terminate, WHY).await,
                None => process.restart(Signal::Terminate, WHY).await,
            }
        };
        self.step("renew", renewed).await
    }

    async fn add(&self, server: &ServerName) -> Result<(), HostError> {
        let (what, standing) = (format!("add {server}"), server.ordinal() + 1);
        if usize::from(server.ordinal()) != self.servers.len() {
            return Err(refused(&what, "it is not the next one".to_owned()));
        }
        let noted = async {
            let kept = self.known.state.keep_standing(standing);
            kept.map_err(|error| refused(&what, chain(&error)))
        };
        self.step("add", noted).await?;
        self.standing.send_modify(|stand| stand.servers = standing);
        Ok(())
    }

    /// Until it is noted that one less stands, a Vaultyard that begins after this one was killed has all of them
    /// stand again, and from then on it removes what is left of this one.
    async fn remove(&self, server: &ServerName) -> Result<(), HostError> {
        let what = format!("remove {server}");
        let not_now = |why: &str| refused(&what, why.to_owned());
        let out_of_raft = || async {
            let removed = self.operator.remove_peer(server).await;
            removed.map_err(|error| refused(&what, chain(&error)))
        };
        let standing = server.ordinal();
        let Some(process) = self.servers.get(server) else {
            // Only raft knows it still.
            return out_of_raft().await;
        };
        if usize::from(standing) + 1 != self.servers.len() {
            return Err(not_now("it is not the last one"));
        }
        if self.may_lead(server).await.ok_or_else(|| not_now("the servers are not seen"))? {
            return Err(not_now("it leads now, or nobody is known to"));
        }
        let out = async {
            // Of two servers both are needed to agree on this, so it lives to see it; and not a moment longer.
            out_of_raft().await?;
            if process.process() != ProcessSeen::Stopped {
                process.stop(Signal::Kill).await?;
            }
            let out = timeout(STAYS_OUT, stays_out(server, self.operator.as_ref())).await;
            out.map_err(|_| not_now("it does not stay out of raft"))
        };
        if let Err(error) = self.step("remove-peer", out).await {
            // It is started again, as what it was: a document may ask for it by now.
            self.standing.send_modify(|stand| stand.anew += 1);
            return Err(error);
        }
        let noted = async {
            let kept = self.known.state.keep_standing(standing);
            kept.map_err(|error| refused(&what, chain(&error)))
        };
        self.step("remove", noted).await?;
        // Its data goes with the crew that still knows of it.
        self.standing.send_modify(|stand| stand.servers = standing);
        Ok(())
    }

    async fn note_well(&self, server: &ServerName) -> Result<(), HostError> {
        let noted = self.launcher.note_ran(server);
        noted.map_err(|error| refused(&format!("note that {server} runs"), chain(&error)))
    }
}

impl LocalRollout {
    /// Does it between the two fault points of its name.
    async fn step<T>(&self, name: &str, what: impl Future<Output = T>) -> T {
        let [before, after] = points("rollout", name);
        self.faults.reached(&before);
        let done = what.await;
        self.faults.reached(&after);
        done
    }

    /// What is seen now.
    async fn fresh(&self) -> Option<Observed> {
        timeout(LOOK, self.looks.fresh()).await.ok().flatten()
    }

    /// Whether this server leads, or could without that being known: one that says nothing is seen not to by
    /// another one that does. `None` while nothing is seen.
    async fn may_lead(&self, server: &ServerName) -> Option<bool> {
        let seen = self.fresh().await?;
        Some(seen.leader().is_none_or(|leader| leader == server))
    }

    /// The version of the server that leads.
    fn led_by(&self) -> Option<Version> {
        let seen = self.observed.borrow();
        let leader = seen.as_ref().and_then(|seen| seen.servers.get(seen.leader()?))?;
        leader.version().cloned()
    }

    /// The change of version that is under way, or was the last, if it is to this one.
    fn change_towards(&self, version: &Version) -> Result<Option<VersionChange>, HostError> {
        let change = self.known.state.version_change();
        let change =
            change.map_err(|error| refused("read the change of version", chain(&error)))?;
        Ok(change.filter(|change| change.towards == *version))
    }

    fn wants_snapshot(&self, towards: &Version) -> bool {
        self.without_snapshot.borrow().as_ref() != Some(towards)
    }

    /// From here on only the snapshot leads back.
    fn note_led(&self, change: &VersionChange) -> Result<(), HostError> {
        if change.led {
            return Ok(());
        }
        let led = VersionChange { led: true, ..change.clone() };
        let kept = self.known.state.keep_version_change(&led);
        kept.map_err(|error| refused("note that the new version leads", chain(&error)))
    }

    /// Waits until nothing is in flight; what comes waits for a leader.
    async fn drain(&self, server: &ServerName) {
        let drain = self.proxy.drain(IN_FLIGHT).await;
        let left = drain.counts().in_flight;
        if left > 0 {
            warn!(%server, left, "requests are still in flight after {IN_FLIGHT:?}");
        }
        drain.release();
    }
}

fn refused(what: &str, why: String) -> HostError {
    HostError { what: what.to_owned(), why }
}

//! Follows a changed document while the cluster runs: what it says of the servers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use vaultyard_model::port::rollout::Stale;
use vaultyard_model::{Cluster, Layout, ServerName, Version};
use vaultyard_plan::change::{self, Fault};
use vaultyard_plan::versions::{self, Passage};
use vaultyard_target_local::release::Record;
use vaultyard_target_local::{LocalLauncher, StateDirectory, addresses};

use super::document;
use super::prepare;
use super::program::{self, Program};
use super::state::{self, Known};
use crate::failure::{Failure, Kind, bad_input, failed};

/// What somebody wants followed, and where the answer goes.
pub(crate) struct Request {
    /// The document.
    pub(crate) text: String,
    /// Whether a snapshot comes before another version.
    pub(crate) snapshot: bool,
    /// What comes of it.
    pub(crate) answer: oneshot::Sender<Result<Accepted, Failure>>,
}

/// The servers that a document changes.
pub(crate) type Accepted = BTreeMap<ServerName, Changed>;

/// What becomes of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It is replaced, since it is not as the document says in this.
    Replaced(Stale),
    /// It comes.
    Added,
    /// It goes for good.
    Removed,
}

/// The one who changes what is declared.
pub(crate) struct Changer {
    /// The cluster, and what is declared now.
    pub(crate) known: Known,
    /// Where fetched programs are.
    pub(crate) binaries: PathBuf,
    /// Starts servers as is declared.
    pub(crate) launcher: Arc<LocalLauncher>,
    /// Told what is declared.
    pub(crate) cluster: watch::Sender<Cluster>,
    /// How often a document was declared.
    pub(crate) generation: watch::Sender<u64>,
    /// The version before which no snapshot is wanted. Whoever begins anew after Vaultyard has ended takes one.
    pub(crate) without_snapshot: watch::Sender<Option<Version>>,
}

impl Changer {
    /// Follows one document after another, for ever.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(Request { text, snapshot, answer }) = requests.recv().await {
            // Who does not wait for the answer any more can read it in the status.
            answer.send(self.follow(text, snapshot).await).ok();
        }
    }

    async fn follow(&mut self, text: String, snapshot: bool) -> Result<Accepted, Failure> {
        let new = document::kept("the document", text)?;
        refuse(&self.known, &new.cluster)?;
        let standing = state::standing(&self.known.state, &self.known.document.cluster)?;
        let coming = self.coming(&new.cluster, standing)?;
        let program = match program::look(&new.cluster, &self.binaries).await? {
            Program::Here(path) => path,
            Program::Fetch => {
                let servers = &new.cluster.servers;
                let what = format!("{} {} is not here yet", servers.software, servers.version);
                return Err(Failure::text(Kind::Failed, what)
                    .hint("`vaultyard binaries fetch` brings it here"));
            }
        };
        // What cannot be read now would be found out too late.
        self.launcher.standing().map_err(failed)?;
        // Said with this document, and of its version.
        let without = (!snapshot).then(|| new.cluster.servers.version.clone());
        self.without_snapshot.send_replace(without);
        self.known.state.keep_document(&new.text).map_err(failed)?;
        self.launcher.declare(new.cluster.clone(), program);
        self.cluster.send_replace(new.cluster.clone());
        self.generation.send_modify(|generation| *generation += 1);
        let cluster = &new.cluster;
        let going = cluster.servers.replicas.count()..standing;
        let going = going.map(|ordinal| (cluster.name.server(ordinal), Changed::Removed));
        let (_, stale) = self.launcher.standing().map_err(failed)?;
        let stale = stale.into_iter();
        let stale = stale.map(|(server, (stale, _))| (server, Changed::Replaced(stale)));
        let coming = coming.into_iter().map(|server| (server, Changed::Added));
        let all = stale.chain(coming).chain(going).collect();
        self.known.document = new;
        Ok(all)
    }

    /// The servers that do not stand yet; their addresses must be free.
    fn coming(&self, new: &Cluster, standing: u8) -> Result<Vec<ServerName>, Failure> {
        let (servers, first) = (new.servers.replicas.count(), prepare::first(&self.known.layout));
        let layout = Layout::of_servers(new, servers.max(standing), first).map_err(bad_input)?;
        let coming: Vec<_> = layout.servers.iter().skip(standing.into()).collect();
        prepare::refuse(coming.iter().flat_map(|place| addresses::check_place(place)).collect())?;
        Ok(coming.into_iter().map(|place| place.name.clone()).collect())
    }
}

/// Refuses what a running cluster cannot follow, all in one message; else says what it is to come to the
/// version of the new document.
pub(crate) fn refuse(known: &Known, new: &Cluster) -> Result<Passage, Failure> {
    let old = &known.document.cluster;
    let passage = refuse_at_rest(&known.state, old, new, Vec::new())?;
    if change::beyond_servers(old, new) {
        let what =
            "the document changes more than number, version and configuration of the servers";
        return Err(Failure::text(Kind::BadInput, what)
            .hint("all of it is followed by `vaultyard down` and then `vaultyard up -f FILE`"));
    }
    Ok(passage)
}

/// Refuses what a cluster cannot follow even when it starts anew. `faults` are others that were found.
pub(crate) fn refuse_at_rest(
    state: &StateDirectory,
    old: &Cluster,
    new: &Cluster,
    mut faults: Vec<Fault>,
) -> Result<Passage, Failure> {
    // Documents say less of versions than what servers run.
    faults.splice(0..0, change::refuse(old, new).into_iter().filter(|it| !it.is_refused_passage()));
    if !faults.is_empty() {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        return Err(Failure::text(Kind::BadInput, lines.join("\n       ")).hint(
            "put these back as they were, or make a new cluster with another --state; \
             `vaultyard destroy` removes this one with its data",
        ));
    }
    passage(state, old, new)
}

/// What it is to come from the versions that servers were last started as to the one of the new document.
fn passage(state: &StateDirectory, old: &Cluster, new: &Cluster) -> Result<Passage, Failure> {
    let wanted = &new.servers.version;
    let running = running(state, old)?;
    if old.servers.version == *wanted && running.is_none() {
        return Ok(Passage::BothWays);
    }
    let Some(running) = running else {
        let before = &old.servers.version;
        let what =
            format!("nothing tells what each server was last started as, but that it was {before}");
        return Err(Failure::text(Kind::BadInput, what).hint(
            "bring it up once with the document as it was; then the version can be changed",
        ));
    };
    let change = state.version_change().map_err(bad_input)?;
    // The new version has not led yet, so that nothing is there which the old one could not read.
    let way_back =
        change.filter(|change| change.leads_back_to(wanted)).map(|change| change.towards);
    let mut all = Passage::BothWays;
    for version in running.iter().filter(|version| *version != wanted) {
        if Some(version) == way_back.as_ref() {
            continue;
        }
        match versions::passage(new.servers.software, version, wanted) {
            Ok(Passage::BothWays) => {}
            Ok(Passage::OneWay) => all = Passage::OneWay,
            Err(refused) => {
                let what = format!("spec.servers.version cannot be {wanted}: {refused}");
                return Err(Failure::text(Kind::Refused, what).hint("nothing was changed"));
            }
        }
    }
    Ok(all)
}

/// The versions that the servers were last started as; `None` while that of one of them is not known.
fn running(state: &StateDirectory, old: &Cluster) -> Result<Option<BTreeSet<Version>>, Failure> {
    let mut all = BTreeSet::new();
    for ordinal in 0..state::standing(state, old)? {
        let server = old.name.server(ordinal);
        let record = Record::read(&state.paths().server(&server).release());
        match record.map_err(bad_input)? {
            Some(record) => all.insert(record.release.version),
            None => return Ok(None),
        };
    }
    Ok(Some(all))
}

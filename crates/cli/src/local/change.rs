//! Follows a changed document while the cluster runs: what it says of the servers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use vaultyard_model::port::rollout::Stale;
use vaultyard_model::{Cluster, ServerName};
use vaultyard_plan::change::{self, Fault};
use vaultyard_target_local::{LocalLauncher, StateDirectory};

use super::document;
use super::program::{self, Program};
use crate::document::Document;
use crate::failure::{Failure, Kind, failed};

/// What somebody wants followed, and where the answer goes.
pub(crate) struct Request {
    /// The document.
    pub(crate) text: String,
    /// What comes of it.
    pub(crate) answer: oneshot::Sender<Result<Accepted, Failure>>,
}

/// The servers that are replaced now, and in what they are not as the document says.
pub(crate) type Accepted = BTreeMap<ServerName, Stale>;

/// The one who changes what is declared.
pub(crate) struct Changer {
    /// What is declared now.
    pub(crate) document: Document,
    /// Where it is kept.
    pub(crate) state: StateDirectory,
    /// Where fetched programs are.
    pub(crate) binaries: PathBuf,
    /// Starts servers as is declared.
    pub(crate) launcher: Arc<LocalLauncher>,
    /// Told what is declared.
    pub(crate) cluster: watch::Sender<Cluster>,
    /// How often a document was declared.
    pub(crate) generation: watch::Sender<u64>,
}

impl Changer {
    /// Follows one document after another, for ever.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(Request { text, answer }) = requests.recv().await {
            // Who does not wait for the answer any more can read it in the status.
            answer.send(self.follow(text).await).ok();
        }
    }

    async fn follow(&mut self, text: String) -> Result<Accepted, Failure> {
        let new = document::kept("the document", text)?;
        refuse(&self.document.cluster, &new.cluster)?;
        let program = match program::look(&new.cluster, &self.binaries).await? {
            Program::Here(path) => path,
            Program::Fetch => {
                let servers = &new.cluster.servers;
                let what = format!("{} {} is not here yet", servers.software, servers.version);
                return Err(Failure::text(Kind::Failed, what)
                    .hint("`vaultyard binaries fetch` brings it here"));
            }
        };
        self.state.keep_document(&new.text).map_err(failed)?;
        self.launcher.declare(new.cluster.clone(), program);
        self.cluster.send_replace(new.cluster.clone());
        self.generation.send_modify(|generation| *generation += 1);
        self.document = new;
        self.launcher.stale().map_err(failed)
    }
}

/// Refuses what a running cluster cannot follow, all in one message.
pub(crate) fn refuse(old: &Cluster, new: &Cluster) -> Result<(), Failure> {
    let faults = change::refuse(old, new);
    if !faults.is_empty() {
        return Err(refused(&faults));
    }
    if change::beyond_servers(old, new) {
        let what = "the document changes more than version and configuration of the servers";
        return Err(Failure::text(Kind::BadInput, what)
            .hint("all of it is followed by `vaultyard down` and then `vaultyard up -f FILE`"));
    }
    Ok(())
}

/// What is said when a cluster cannot follow a document.
pub(crate) fn refused(faults: &[Fault]) -> Failure {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let kind = match faults.iter().all(Fault::is_refused_passage) {
        true => Kind::Refused,
        false => Kind::BadInput,
    };
    Failure::text(kind, lines.join("\n       ")).hint(
        "put these back as they were, or make a new cluster with another --state; \
         `vaultyard destroy` removes this one with its data",
    )
}

//! What the loops of a cluster on this machine tell each other for as long as it runs, whichever crew runs
//! them.

use tokio::sync::watch;
use vaultyard_model::observed::Observed;
use vaultyard_model::status::Status;
use vaultyard_model::{Cluster, Version};

use crate::control::wire;

/// Each fact has one writer; whoever wants to know subscribes.
pub(crate) struct Wires {
    /// What was last seen.
    pub(crate) observed: watch::Sender<Option<Observed>>,
    /// How it is.
    pub(crate) status: watch::Sender<Option<Status>>,
    /// The names that DNS answers for.
    pub(crate) records: watch::Sender<Vec<wire::Record>>,
    /// Whether somebody asked over the control socket to stop.
    pub(crate) stop: watch::Sender<bool>,
    /// Whether nobody waits for the first `Ready` any more.
    pub(crate) overdue: watch::Sender<bool>,
    /// What is declared.
    pub(crate) cluster: watch::Sender<Cluster>,
    /// How often a document was declared.
    pub(crate) generation: watch::Sender<u64>,
    /// The version before which no snapshot is wanted.
    pub(crate) without_snapshot: watch::Sender<Option<Version>>,
    /// Which servers are to stand now.
    pub(crate) standing: watch::Sender<Stand>,
}

/// Which servers are to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    /// How many.
    pub(crate) servers: u8,
    /// How often one that was ended is to be started again.
    pub(crate) anew: u32,
}

impl Wires {
    pub(super) fn new(cluster: Cluster, standing: u8) -> Self {
        Self {
            observed: watch::Sender::new(None),
            status: watch::Sender::new(None),
            records: watch::Sender::new(Vec::new()),
            stop: watch::Sender::new(false),
            overdue: watch::Sender::new(false),
            cluster: watch::Sender::new(cluster),
            generation: watch::Sender::new(1),
            without_snapshot: watch::Sender::new(None),
            standing: watch::Sender::new(Stand { servers: standing, anew: 0 }),
        }
    }
}

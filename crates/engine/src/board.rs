//! What the loops tell each other and the world: one watch channel for each thing that is known,
//! each with one writer.

use std::collections::BTreeMap;

use tokio::sync::watch;
use vaultyard_model::ServerName;
use vaultyard_model::status::{CertificateStatus, ControllerStatus};

use crate::keeping::Report;

/// The reports that a status is made of, as the loops publish them.
#[derive(Clone)]
pub struct Board {
    /// Each server's unsealer.
    pub unsealers: BTreeMap<ServerName, watch::Receiver<Report>>,
    /// The keeper of access.
    pub access: watch::Receiver<Report>,
    /// Who looks whether the keys are still kept.
    pub custody: watch::Receiver<Report>,
    /// The keeper of certificates.
    pub certificates: watch::Receiver<Report>,
    /// Who changes servers; `None` where that is not done from here.
    pub rollout: Option<watch::Receiver<Report>>,
    /// Who takes snapshots by itself; `None` where the document asks for none.
    pub snapshots: Option<watch::Receiver<Report>>,
    /// Whom the proxy takes for the leader; `None` where no proxy runs beside.
    pub proxy_leader: Option<watch::Receiver<Option<ServerName>>>,
    /// What is known of a root token that lives.
    pub root_token: watch::Receiver<Option<String>>,
    /// The certificates seen in handshakes.
    pub served: watch::Receiver<BTreeMap<ServerName, CertificateStatus>>,
}

impl Board {
    /// The controllers as lines of `status`. The unsealers stand in one line: the first that
    /// waits speaks for all.
    pub fn controllers(&self) -> Vec<ControllerStatus> {
        let unsealers: Vec<Report> =
            self.unsealers.values().map(|report| report.borrow().clone()).collect();
        let unsealer = unsealers
            .iter()
            .find(|report| report.waiting.is_some())
            .or_else(|| unsealers.iter().max_by_key(|report| report.last_success));
        let mut all = Vec::new();
        all.extend(unsealer.map(|report| report.status("unsealer")));
        all.push(self.access.borrow().status("access"));
        all.push(self.custody.borrow().status("custody"));
        all.push(self.certificates.borrow().status("certificates"));
        all.extend(self.rollout.as_ref().map(|report| report.borrow().status("rollout")));
        all.extend(self.snapshots.as_ref().map(|report| report.borrow().status("snapshots")));
        all.extend(self.proxy_leader.as_ref().map(proxy));
        all
    }
}

fn proxy(leader: &watch::Receiver<Option<ServerName>>) -> ControllerStatus {
    let ready = leader.borrow().is_some();
    ControllerStatus {
        name: "proxy",
        ready,
        last_success: None,
        last_error: (!ready).then(|| "it knows no leader".to_owned()),
    }
}

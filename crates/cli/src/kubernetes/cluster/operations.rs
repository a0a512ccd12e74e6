//! What unsealers tell of operations and of snapshots, written into the status when it is news.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tracing::warn;
use vaultyard_model::ServerName;
use vaultyard_target_kubernetes::cluster::ClusterObject;

use super::MANAGER;
use super::reports::Told;
use crate::kubernetes::operation::{self, Progress};
use crate::kubernetes::operations::SNAPSHOTS;
use crate::snapshots::Listed;

/// A status is no place for more.
const MOST_SNAPSHOTS: usize = 100;

/// What was written last, and what is known.
pub(super) struct Operations {
    written: Option<Progress>,
    snapshots: Option<Vec<Listed>>,
    /// What was last told by each server. Those of a server that cannot be asked are still there.
    on_volumes: BTreeMap<ServerName, Vec<Listed>>,
}

impl Operations {
    /// What an earlier controller has written stands.
    pub(super) fn new(declared: &Value) -> Self {
        let snapshots = serde_json::from_value(declared["status"][SNAPSHOTS].clone());
        Self {
            written: operation::written(declared),
            snapshots: snapshots.ok(),
            on_volumes: BTreeMap::new(),
        }
    }

    /// Writes what is news.
    pub(super) async fn write(&mut self, object: &ClusterObject, told: &Told) {
        let reports = told.iter().filter_map(|(server, told)| Some((server, told.as_ref().ok()?)));
        let reports: Vec<_> = reports.collect();
        for (server, report) in &reports {
            if let Some(kept) = report.kept_snapshots.clone() {
                self.on_volumes.insert((*server).clone(), kept);
            }
        }
        // Before all were asked once, those of an earlier controller stand.
        let all_known = told.keys().all(|server| self.on_volumes.contains_key(server));
        let snapshots = all_known.then(|| newest(self.on_volumes.values().flatten()));
        if let Some(snapshots) = snapshots.filter(|all| self.snapshots.as_ref() != Some(all)) {
            let status = json!({SNAPSHOTS: snapshots});
            match object.patch_status(MANAGER, &status).await {
                Ok(_) => self.snapshots = Some(snapshots),
                Err(error) => warn!("{error}"),
            }
        }
        let told = reports.iter().filter_map(|(_, report)| report.operation.as_ref());
        let news = told.filter(|told| told.is_news_after(self.written.as_ref()));
        let Some(news) = news.max_by_key(|told| (told.asked, told.phase)) else { return };
        match object.patch_status(MANAGER, &operation::status(news)).await {
            Ok(_) => self.written = Some(news.clone()),
            Err(error) => warn!("{error}"),
        }
    }
}

/// The newest, the oldest of them first. Those that nobody asked for are left out before others are.
fn newest<'a>(all: impl Iterator<Item = &'a Listed>) -> Vec<Listed> {
    // What lies in a bucket is told by every server.
    let all: BTreeMap<_, _> = all.map(|kept| ((&kept.name, &kept.bucket), kept)).collect();
    let mut all: Vec<_> = all.into_values().cloned().collect();
    all.sort_by(|one, other| (!one.scheduled, &one.name).cmp(&(!other.scheduled, &other.name)));
    let first = all.len().saturating_sub(MOST_SNAPSHOTS);
    let mut all = all.split_off(first);
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

//! The rules of `spec.snapshots`.

use vaultyard_model::cluster::{Bucket, Prefix, Store};

use super::{Rule, Rules};
use crate::cluster;
use crate::document::VaultCluster;

impl Rules<'_, '_> {
    /// What removes snapshots may remove all that lies in their folder.
    pub(super) fn snapshots(&mut self, document: &VaultCluster) {
        let Ok(name) = document.metadata.name.value() else { return };
        // What cannot be read was reported where it stands.
        let Ok([keys, snapshots]) = cluster::stores(&document.spec, &name) else { return };
        let (Some((bucket, keys)), Some((other, snapshots))) = (place(&keys), place(&snapshots))
        else {
            return;
        };
        let (inner, outer) = (format!("{keys}/"), format!("{snapshots}/"));
        if bucket == other && inner.starts_with(&outer) {
            let hint = "give the snapshots another bucket, or another prefix";
            let involved = ["spec.snapshots.store", "spec.keys.store"];
            let rule = Rule::SnapshotsAmongKeys {
                snapshots: snapshots.to_string(),
                keys: keys.to_string(),
            };
            self.broken(rule, &involved, hint);
        }
    }
}

/// A bucket, and the folder there.
fn place(store: &Store) -> Option<((bool, &Bucket), &Prefix)> {
    match store {
        Store::GoogleStorage { bucket, prefix } => Some(((true, bucket), prefix)),
        Store::S3 { bucket, prefix, .. } => Some(((false, bucket), prefix)),
        Store::Directory { .. } | Store::KubernetesSecret => None,
    }
}

//! The rules of `spec.keys`.

use std::collections::BTreeSet;

use super::{Rule, Rules};
use crate::cluster;
use crate::document::Keys;

impl Rules<'_, '_> {
    pub(super) fn keys(&mut self, keys: &Keys) {
        let (shares, threshold) = (keys.shares, keys.threshold);
        let involved = ["spec.keys.threshold", "spec.keys.shares"];
        if threshold > shares {
            let hint = "lower the threshold, or raise the number of shares";
            self.broken(Rule::ThresholdAboveShares { threshold, shares }, &involved, hint);
        } else if threshold == 1 && shares > 1 {
            let hint = "write at least 2, or 1 share";
            self.broken(Rule::ThresholdOfOne { shares }, &involved, hint);
        }
        let transit = keys.encryption.transit.as_ref();
        let address = transit.and_then(|transit| transit.address.value().ok());
        if address.is_some_and(|address| !address.tls()) {
            let involved = ["spec.keys.encryption.transit.address"];
            self.broken(Rule::TransitInTheClear, &involved, "write https");
        }
        if keys.encryption.age.as_ref().is_some_and(|age| age.recipients.is_empty()) {
            let involved = ["spec.keys.encryption.age.recipients"];
            let hint = "list the public key of the identity in identityFile, and others' beside it";
            self.broken(Rule::NoRecipients, &involved, hint);
        }
    }

    /// On Kubernetes the files come from one Secret, by their names.
    pub(super) fn key_files(&mut self, keys: &Keys) {
        // What cannot be read was reported where it stands.
        let Ok(encryption) = cluster::encryption(&keys.encryption) else { return };
        let mut entries = BTreeSet::new();
        for file in encryption.files() {
            let involved = format!("spec.keys.encryption.{}", file.field);
            let Some(entry) = file.entry() else {
                let name = file.path.file_name().unwrap_or(file.path.as_os_str());
                let name = name.to_string_lossy().into_owned();
                let hint = "name it by letters, digits, -, _ and .";
                self.broken(Rule::NotAnEntry { name }, &[&involved], hint);
                continue;
            };
            if !entries.insert(entry) {
                let hint = "give one of them another name";
                self.broken(Rule::SameEntry { name: entry.to_owned() }, &[&involved], hint);
            }
        }
    }
}

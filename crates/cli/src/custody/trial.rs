//! Whether the services that a document names for its keys and snapshots do their part, found out before they
//! are needed: a probe is created, read and deleted in the stores, and a key of no use encrypted and
//! decrypted.

use std::time::Duration;

use vaultyard_keys::probe;
use vaultyard_model::cluster::{Keys, Store};
use vaultyard_model::port::custody::CustodyError;

use super::{elsewhere, for_snapshots, not_beside};
use crate::failure::Failure;
use crate::system::SystemRandom;

/// The longest that a service may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The target keeps it by itself, and there is nothing to try.
    Own,
    /// It does its part.
    Works,
    /// It cannot be tried from here, and why.
    NotTried(String),
    /// It does not, and why.
    Fails(String),
}

/// All trials.
pub(crate) struct Trial {
    /// Of where the keys will be kept.
    pub(crate) store: Outcome,
    /// Of what will open them.
    pub(crate) encryption: Outcome,
    /// Of where the snapshots will be kept.
    pub(crate) snapshots: Outcome,
}

/// Tries all of them, as whoever runs this program.
pub(crate) async fn run(keys: &Keys, snapshots: &Store) -> Trial {
    let store = async {
        match elsewhere(&keys.store) {
            Ok(None) => Outcome::Own,
            Ok(Some(store)) => within(probe::store(&*store, &SystemRandom)).await,
            Err(failure) => not_opened(&failure),
        }
    };
    let encryption = async {
        let absent = |path: &std::path::Path| !path.exists();
        if let Some(file) = keys.encryption.files().iter().find(|file| absent(file.path)) {
            return Outcome::NotTried(format!("{} is not here", file.path.display()));
        }
        match not_beside(&keys.encryption) {
            Ok(None) => Outcome::Own,
            Ok(Some(encryption)) => within(probe::encryption(&*encryption, &SystemRandom)).await,
            Err(failure) => not_opened(&failure),
        }
    };
    let snapshots = async {
        match for_snapshots(snapshots) {
            None => Outcome::Own,
            Some(store) => within(vaultyard_snapshots::probe::store(&*store, &SystemRandom)).await,
        }
    };
    let (store, encryption, snapshots) = tokio::join!(store, encryption, snapshots);
    Trial { store, encryption, snapshots }
}

fn not_opened(failure: &Failure) -> Outcome {
    Outcome::Fails(failure.message().to_owned())
}

async fn within(trial: impl Future<Output = Result<(), CustodyError>>) -> Outcome {
    match tokio::time::timeout(PATIENCE, trial).await {
        Ok(Ok(())) => Outcome::Works,
        Ok(Err(error)) => Outcome::Fails(error.to_string()),
        Err(_) => Outcome::Fails(format!("there was no answer within {PATIENCE:?}")),
    }
}

impl Trial {
    /// Lines for eyes, each with what it is about. `works` says what a success means.
    pub(crate) fn lines(
        &self,
        keys: &Keys,
        snapshots: &Store,
        works: &str,
    ) -> Vec<(&'static str, String)> {
        let line = |what: &str, outcome: &Outcome| match outcome {
            Outcome::Own => what.to_owned(),
            Outcome::Works => format!("{what}: {works}"),
            Outcome::NotTried(why) => format!("{what}: not tried, since {why}"),
            Outcome::Fails(why) => format!("{what}: {why}"),
        };
        let mut lines = vec![
            ("keys", line(&format!("kept in {}", keys.store), &self.store)),
            ("", line(&format!("opened by {}", keys.encryption), &self.encryption)),
        ];
        if self.snapshots != Outcome::Own {
            lines.push(("snapshots", line(&format!("kept in {snapshots}"), &self.snapshots)));
        }
        lines
    }

    /// What does not do its part where this program runs, in a sentence.
    pub(crate) fn in_the_way(&self, keys: &Keys, snapshots: &Store) -> Option<String> {
        let of = |what: String, outcome: &Outcome| match outcome {
            Outcome::Fails(why) | Outcome::NotTried(why) => Some(format!("{what}: {why}")),
            Outcome::Own | Outcome::Works => None,
        };
        let store = of(format!("the keys cannot be kept in {}", keys.store), &self.store);
        let encryption =
            || of(format!("nothing opens the keys by {}", keys.encryption), &self.encryption);
        let snapshots =
            || of(format!("the snapshots cannot be kept in {snapshots}"), &self.snapshots);
        store.or_else(encryption).or_else(snapshots)
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_model::cluster::Encryption;

    use super::*;

    fn keys(encryption: Encryption) -> Keys {
        let store = Store::Directory { path: None };
        Keys { shares: 5, threshold: 3, encryption, store, files_secret: None }
    }

    #[tokio::test]
    async fn what_the_target_keeps_is_not_tried() {
        let (keys, snapshots) = (keys(Encryption::Local), Store::Directory { path: None });
        let trial = run(&keys, &snapshots).await;
        assert_eq!((&trial.store, &trial.encryption), (&Outcome::Own, &Outcome::Own));
        assert_eq!(trial.in_the_way(&keys, &snapshots), None);
        let lines = trial.lines(&keys, &snapshots, "works");
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].1, "opened by a key of its own beside the data");
    }

    #[tokio::test]
    async fn a_file_that_is_not_here_is_named() {
        let keys = keys(Encryption::Age {
            recipients: Vec::new(),
            identity_file: "/nowhere/identity".into(),
        });
        let snapshots = Store::Directory { path: None };
        let trial = run(&keys, &snapshots).await;
        let why = "/nowhere/identity is not here";
        assert_eq!(trial.encryption, Outcome::NotTried(why.to_owned()));
        let lines = trial.lines(&keys, &snapshots, "works");
        assert_eq!(lines[1].1, format!("opened by age: not tried, since {why}"));
        assert!(trial.in_the_way(&keys, &snapshots).unwrap().ends_with(why));
    }
}

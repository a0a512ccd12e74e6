//! `spec.keys`.

mod encryption;
mod store;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vaultyard_model::cluster::ObjectName;

use crate::scalar::Written;

pub(crate) use encryption::{Age, AwsKms, Encryption, GoogleKms, Pkcs11, Transit, TransitAuth};
pub(crate) use store::{GoogleStorage, S3, Store};

/// How the unseal key is split, encrypted and kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-vaultyard-rules" = RULES))]
pub(crate) struct Keys {
    /// Into how many shares the unseal key is split when the cluster is initialised.
    #[schemars(range(min = 1, max = 255))]
    pub(crate) shares: u8,
    /// How many of the shares unseal a server: at most `shares`, and 1 only when there is one share.
    #[schemars(range(min = 1, max = 255))]
    pub(crate) threshold: u8,
    /// What encrypts the shares before they are kept.
    pub(crate) encryption: Encryption,
    /// Where the encrypted shares are kept. What is written there once is never overwritten.
    pub(crate) store: Store,
    /// The Secret with the files that `encryption` names, on Kubernetes: each is an entry of it that
    /// is called like the file, so `identityFile: /run/vaultyard/identity` is its entry `identity`. It
    /// lies in the namespace of the cluster, and only the unsealers see it. On one machine the files
    /// are read where they are named, and this is without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-vaultyard-default" = "the name of the cluster with -key-files behind it"))]
    pub(crate) files_secret: Option<Written<ObjectName>>,
}

/// The rules between fields in the language of the API server; see `rules.rs`.
const RULES: [[&str; 2]; 2] = [
    [
        "(has(self.threshold) ? self.threshold : 3) <= (has(self.shares) ? self.shares : 5)",
        "threshold is at most shares, which are 3 and 5 where they are not given",
    ],
    [
        "!has(self.threshold) || self.threshold != 1 || has(self.shares) && self.shares == 1",
        "a threshold of 1 is for one share: else each share is the whole key",
    ],
];

impl Default for Keys {
    fn default() -> Self {
        Self {
            shares: 5,
            threshold: 3,
            encryption: Encryption::default(),
            store: Store::default(),
            files_secret: None,
        }
    }
}

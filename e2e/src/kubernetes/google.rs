//! Google's services as an emulator and a fake, where pods reach them.

use vaultyard_emulators::google::{BUCKET, Storage};
use vaultyard_emulators::google_kms::{FakeKms, KEY};

use super::BRIDGE;
use super::registry::ask;
use crate::journal::runtime;

/// A bucket and a key. They go when this is dropped.
pub struct Google {
    storage: Storage,
    kms: FakeKms,
}

impl Google {
    /// Starts them.
    ///
    /// # Panics
    /// When that cannot be done.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        runtime().block_on(async {
            let (storage, kms) =
                (Storage::start(BRIDGE.into()).await, FakeKms::start_at(BRIDGE.into()).await);
            Self { storage, kms }
        })
    }

    /// The `spec.keys` that means them.
    #[must_use]
    pub fn keys(&self) -> String {
        format!(
            "{{encryption: {{googleKms: {{key: {KEY}}}}}, \
             store: {{googleStorage: {{bucket: {BUCKET}}}}}}}"
        )
    }

    /// What programs are told that are to ask an emulator in Google's place.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let said = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            said("STORAGE_EMULATOR_HOST", &self.storage.url),
            said("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", self.kms.url()),
        ]
    }

    /// What is in the bucket under this name, in the folder of a cluster.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    #[track_caller]
    pub fn object(&self, cluster: &str, name: &str) -> String {
        let host = self.storage.url.trim_start_matches("http://");
        let path = format!("/storage/v1/b/{BUCKET}/o/{cluster}%2F{name}?alt=media");
        ask(host, &format!("GET {path} HTTP/1.1\r\n"), b"").1
    }
}

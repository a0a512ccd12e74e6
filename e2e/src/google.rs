//! Google's services as an emulator and a fake.

use std::net::IpAddr;

use vaultyard_emulators::google::{BUCKET, Storage};
use vaultyard_emulators::google_kms::{FakeKms, KEY};

use crate::journal::runtime;
use crate::plain::ask;

/// A bucket and a key. They go when this is dropped.
pub struct Google {
    storage: Storage,
    kms: FakeKms,
}

impl Google {
    /// Starts them at this address of the machine.
    ///
    /// # Panics
    /// When that cannot be done.
    #[must_use]
    #[track_caller]
    pub fn start(ip: IpAddr) -> Self {
        runtime().block_on(async {
            let (storage, kms) = (Storage::start(ip).await, FakeKms::start_at(ip).await);
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

    /// The `spec.snapshots.store` that means the bucket.
    #[must_use]
    pub fn snapshots(&self) -> String {
        format!("{{googleStorage: {{bucket: {BUCKET}}}}}")
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
        let path = format!("/storage/v1/b/{BUCKET}/o/{cluster}%2F{name}?alt=media");
        ask(self.storage(), &format!("GET {path} HTTP/1.1\r\n"), b"").1
    }

    /// Leaves this as vault-init would: base64 of what the key has encrypted, at the top of the bucket.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn leave(&self, name: &str, text: &str) {
        let encrypted = runtime().block_on(self.kms.encrypted(text));
        let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}");
        let _ = ask(self.storage(), &format!("POST {path} HTTP/1.1\r\n"), encrypted.as_bytes());
    }

    fn storage(&self) -> &str {
        self.storage.url.trim_start_matches("http://")
    }
}

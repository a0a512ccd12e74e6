//! What the tests ask of the emulators: by hand, and as Vaultyard does.

use std::net::Ipv4Addr;

use vaultyard_emulators::google::{BUCKET, Storage};
use vaultyard_emulators::google_kms::{FakeKms, KEY};
use vaultyard_google::{Account, GoogleKms, GoogleStorage};
use vaultyard_model::cluster::{Bucket, GoogleKey, Prefix, Web};

/// fake-gcs-server. It ends when this is dropped.
pub(crate) struct Emulator {
    server: Storage,
    http: reqwest::Client,
}

impl Emulator {
    /// Starts it, with an empty bucket.
    pub(crate) async fn start() -> Self {
        let server = Storage::start(Ipv4Addr::LOCALHOST.into()).await;
        Self { server, http: reqwest::Client::new() }
    }

    /// Puts an object there by hand; the answer's status.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8], condition: &str) -> u16 {
        let url = format!(
            "{}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}{condition}",
            self.server.url
        );
        self.http.post(url).body(bytes.to_vec()).send().await.unwrap().status().as_u16()
    }

    /// A store in this folder of a bucket.
    pub(crate) fn store(&self, bucket: &str, prefix: &str) -> GoogleStorage {
        let at = Web::new(&self.server.url).unwrap();
        let (bucket, prefix) = (Bucket::new(bucket).unwrap(), Prefix::new(prefix).unwrap());
        GoogleStorage::new(Account::anonymous(), Some(&at), bucket, prefix).unwrap()
    }
}

/// The key of a fake, as nobody.
pub(crate) fn key(kms: &FakeKms) -> GoogleKms {
    key_for(kms, Account::anonymous())
}

/// The key of a fake, as an account.
pub(crate) fn key_for(kms: &FakeKms, account: Account) -> GoogleKms {
    let (key, at) = (GoogleKey::new(KEY).unwrap(), Web::new(kms.url()).unwrap());
    GoogleKms::new(account, Some(&at), key).unwrap()
}

//! fake-gcs-server, a child process of the test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vaultyard_google::{Account, GoogleStorage};
use vaultyard_model::cluster::{Bucket, Prefix, Web};

/// The bucket of the tests.
pub(crate) const BUCKET: &str = "vault-keys";
const PATIENCE: Duration = Duration::from_secs(20);

fn program() -> PathBuf {
    let given = std::env::var_os("VAULTYARD_TEST_FAKE_GCS").map(PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-parts");
    let program = given.unwrap_or_else(|| folder.join("fake-gcs-server-1.56.1/fake-gcs-server"));
    assert!(program.exists(), "{} is missing: run `cargo xtask parts`", program.display());
    program
}

/// The emulator. It ends when this is dropped.
pub(crate) struct Emulator {
    child: Child,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Emulator {
    /// Starts it, with an empty bucket.
    pub(crate) async fn start() -> Self {
        let port = {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            free.local_addr().unwrap().port()
        };
        let child = Command::new(program())
            .args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory"])
            .args(["-log-level", "error", "-port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let emulator = Self { child, url, http: reqwest::Client::new() };
        emulator.make_bucket().await;
        emulator
    }

    async fn make_bucket(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let url = format!("{}/storage/v1/b", self.url);
            let asked = self.http.post(url).body(format!(r#"{{"name":"{BUCKET}"}}"#)).send().await;
            match asked {
                Ok(answer) => return assert!(answer.status().is_success(), "{answer:?}"),
                Err(error) => assert!(Instant::now() < until, "no answer: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Puts an object there by hand; the answer's status.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8], condition: &str) -> u16 {
        let url = format!(
            "{}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}{condition}",
            self.url
        );
        self.http.post(url).body(bytes.to_vec()).send().await.unwrap().status().as_u16()
    }

    /// A store in this folder of a bucket.
    pub(crate) fn store(&self, bucket: &str, prefix: &str) -> GoogleStorage {
        let at = Web::new(&self.url).unwrap();
        let (bucket, prefix) = (Bucket::new(bucket).unwrap(), Prefix::new(prefix).unwrap());
        GoogleStorage::new(Account::anonymous(), Some(&at), bucket, prefix).unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

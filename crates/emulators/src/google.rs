//! fake-gcs-server, which keeps buckets of Google Cloud Storage in memory.

use std::net::IpAddr;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tempfile::TempDir;

use crate::process::{self, Process};
use crate::service::json;

/// The one bucket that there is.
pub const BUCKET: &str = "vault-keys";

/// The emulator. Dropped, it ends.
#[derive(Debug)]
pub struct Storage {
    /// Where it answers.
    pub url: String,
    _process: Process,
    _buckets: TempDir,
}

impl Storage {
    /// Starts it at this address, with an empty bucket.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(ip: IpAddr) -> Self {
        let name = "fake-gcs-server-1.56.1/fake-gcs-server";
        let program = process::part("VAULTYARD_TEST_FAKE_GCS", name);
        let buckets = tempfile::tempdir().unwrap();
        std::fs::create_dir(buckets.path().join(BUCKET)).unwrap();
        let address = process::free(ip);
        let mut command = std::process::Command::new(program);
        command.args(["-scheme", "http", "-host", &ip.to_string(), "-backend", "memory"]);
        command.args(["-log-level", "error", "-port", &address.port().to_string(), "-data"]);
        command.arg(buckets.path());
        let process = Process::start(command, address).await;
        Self { url: format!("http://{address}"), _process: process, _buckets: buckets }
    }
}

/// An error as Google's services write it.
pub fn error(code: u16, status: &str, message: &str) -> Response<Full<Bytes>> {
    json(code, &serde_json::json!({"error": {"code": code, "message": message, "status": status}}))
}

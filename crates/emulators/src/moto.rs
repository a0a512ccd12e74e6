//! moto, which speaks as the services of AWS do.

use std::net::IpAddr;
use std::process::Command;

use crate::process::{self, Process};

/// The bucket of the tests, which each makes for itself.
pub const BUCKET: &str = "vault-keys";
/// The region that everything is in.
pub const REGION: &str = "eu-central-1";

/// An `authorization` by hand: the emulator finds the service by the name in it, and verifies none.
pub fn signature(service: &str) -> String {
    let scope = format!("20260101/{REGION}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential=x/{scope}, SignedHeaders=host, Signature=x")
}

/// The emulator. Dropped, it ends.
#[derive(Debug)]
pub struct Moto {
    /// Where it answers.
    pub url: String,
    _process: Process,
}

impl Moto {
    /// Starts it at this address, with nothing in it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(ip: IpAddr) -> Self {
        let packages = process::part("VAULTYARD_TEST_MOTO", "moto-5.2.5");
        let address = process::free(ip);
        let mut command = Command::new("python3");
        command.args(["-m", "moto.server", "-H", &ip.to_string()]);
        command.args(["-p", &address.port().to_string()]).env("PYTHONPATH", packages);
        let process = Process::start(command, address).await;
        Self { url: format!("http://{address}"), _process: process }
    }
}

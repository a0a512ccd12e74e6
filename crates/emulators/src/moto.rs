//! moto, which speaks as the services of AWS do.

use std::net::IpAddr;
use std::process::Command;

use crate::process::{self, Process};

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

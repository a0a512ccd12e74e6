//! The benches on the Kubernetes of `cargo xtask cluster`. They run where its pods are reached.

pub(crate) mod idle;
pub(crate) mod memory;
pub(crate) mod restart;
pub(crate) mod up;

mod plain;
mod pods;

use std::process::Command;
use std::time::Duration;

use vaultyard_e2e::wait;

/// How long namespaces may take to go, with all that is in them.
const GONE: Duration = Duration::from_secs(180);

/// Runs `kubectl`; what it printed.
#[track_caller]
fn kubectl(words: &[&str]) -> String {
    let said = Command::new("kubectl").args(words).output().unwrap();
    let complaint = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "kubectl {}: {complaint}", words.join(" "));
    String::from_utf8(said.stdout).unwrap()
}

/// Waits until nothing is left of these namespaces: what ends takes time from what is measured next.
fn wait_until_gone(namespaces: &[&str]) {
    wait("the namespaces are gone", GONE, || {
        let words = [&["get", "namespace", "--ignore-not-found", "-o", "name"], namespaces];
        kubectl(&words.concat()).trim().is_empty().then_some(())
    });
}

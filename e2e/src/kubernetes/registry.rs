//! The registry of the test cluster, as far as tests need it: plain HTTP on an address.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::home::Said;

const PATIENCE: Duration = Duration::from_secs(10);
/// Two at once would write the same file.
static MADE: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image that `cargo xtask image` makes under this name, in the registry of the test cluster; made
/// once for all tests.
///
/// # Panics
/// When it cannot be made.
#[must_use]
#[track_caller]
pub fn image(kind: &str) -> String {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(kind.to_owned()).or_insert_with(|| load(kind)).clone()
}

#[track_caller]
fn load(kind: &str) -> String {
    let tool = std::env::var_os("VAULTYARD_CLUSTER_TOOL");
    let tool = tool.expect("VAULTYARD_CLUSTER_TOOL is set: run `cargo xtask test`");
    let made = Said::of(Command::new(&tool).args(["image", kind])).done();
    let archive = made.lines().next().unwrap_or_default();
    let name = format!("{kind}:tests");
    let loaded = Said::of(Command::new(&tool).args(["cluster", "load", archive, &name]));
    loaded.done().trim().to_owned()
}

/// The same image under another digest, as a later release has: its manifest has one more annotation.
///
/// # Panics
/// When the registry does not have it, or does not take the other one.
#[must_use]
#[track_caller]
pub fn another_digest(reference: &str) -> String {
    let (repository, digest) = reference.split_once('@').expect("named by digest");
    let (registry, path) = repository.split_once('/').expect("named with its registry");
    let get = format!("GET /v2/{path}/manifests/{digest} HTTP/1.1\r\naccept: {MANIFEST}\r\n");
    let (_, body) = ask(registry, &get, "");
    let mut manifest: Value = serde_json::from_str(&body).expect("a manifest");
    manifest["annotations"] = json!({"dev.vaultyard.test": "another"});
    let put = format!("PUT /v2/{path}/manifests/another HTTP/1.1\r\ncontent-type: {MANIFEST}\r\n");
    let (head, _) = ask(registry, &put, &manifest.to_string());
    let digest = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("docker-content-digest").then(|| value.trim().to_owned())
    });
    format!("{repository}@{}", digest.expect("the registry names the digest"))
}

/// Head and body of an answer that is a success.
#[track_caller]
fn ask(registry: &str, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(registry).expect("the registry listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let rest = format!("host: {registry}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{rest}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a whole answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    assert!(head.starts_with("HTTP/1.1 20"), "{head}\n{body}");
    (head.to_owned(), body.to_owned())
}

//! The registry of the test cluster, as far as tests need it: plain HTTP on an address.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::home::Said;
use crate::plain::ask;

/// Two at once would write the same file.
static MADE: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What an image of ours is given for a test.
#[derive(Debug, Default)]
pub struct More {
    /// What every container has in its environment.
    pub environment: Vec<(String, String)>,
    /// Files: path without a slash at the beginning, and content.
    pub files: Vec<(String, String)>,
}

/// The image of Vaultyard that the clusters of the tests run, by digest.
///
/// # Panics
/// When the environment does not name it.
#[must_use]
#[track_caller]
pub fn own_image() -> String {
    std::env::var("VAULTYARD_IMAGE").expect("VAULTYARD_IMAGE is set by `cargo xtask test`")
}

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
    // Of a software whose version is said, that is the tag.
    let (name, tag) = kind.split_once('-').unwrap_or((kind, "tests"));
    let name = format!("{name}:{tag}");
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
    let image = Stored::of(reference);
    let mut manifest = image.manifest();
    manifest["annotations"] = json!({"dev.vaultyard.test": "another"});
    image.put(&manifest)
}

/// The same image with more in it.
///
/// # Panics
/// When the registry does not have it, or does not take the other one.
#[must_use]
#[track_caller]
pub fn with(reference: &str, more: &More) -> String {
    let image = Stored::of(reference);
    let mut manifest = image.manifest();
    let digest = manifest["config"]["digest"].as_str().expect("a digest");
    let mut configuration: Value = image.get(&format!("blobs/{digest}"));
    let said = more.environment.iter().map(|(name, value)| format!("{name}={value}"));
    configuration["config"]["Env"] = said.collect();
    if !more.files.is_empty() {
        let layer = layer(&more.files);
        let (size, digest) = (layer.len(), image.upload(&layer));
        let layers = manifest["layers"].as_array_mut().expect("layers");
        layers.push(json!({"mediaType": LAYER, "digest": digest, "size": size}));
        let unpacked = configuration["rootfs"]["diff_ids"].as_array_mut().expect("layers");
        unpacked.push(digest.into());
    }
    let blob = configuration.to_string();
    manifest["config"]["size"] = blob.len().into();
    manifest["config"]["digest"] = image.upload(blob.as_bytes()).into();
    image.put(&manifest)
}

fn layer(files: &[(String, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o444);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).expect("it fits");
    }
    archive.into_inner().expect("a whole archive")
}

/// An image in the registry.
struct Stored<'a> {
    reference: &'a str,
    registry: &'a str,
    path: &'a str,
    digest: &'a str,
}

impl<'a> Stored<'a> {
    #[track_caller]
    fn of(reference: &'a str) -> Self {
        let (repository, digest) = reference.split_once('@').expect("named by digest");
        let (registry, path) = repository.split_once('/').expect("named with its registry");
        Self { reference: repository, registry, path, digest }
    }

    #[track_caller]
    fn manifest(&self) -> Value {
        self.get(&format!("manifests/{}", self.digest))
    }

    #[track_caller]
    fn get(&self, what: &str) -> Value {
        let head = format!("GET /v2/{}/{what} HTTP/1.1\r\naccept: {MANIFEST}\r\n", self.path);
        let (_, body) = ask(self.registry, &head, b"");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Gives the digest.
    #[track_caller]
    fn upload(&self, blob: &[u8]) -> String {
        let digest = format!("sha256:{}", hex(&Sha256::digest(blob)));
        let begin = format!("POST /v2/{}/blobs/uploads/ HTTP/1.1\r\n", self.path);
        let (head, _) = ask(self.registry, &begin, b"");
        let place = header(&head, "location");
        let place = place.trim_start_matches(&format!("http://{}", self.registry));
        let join = if place.contains('?') { '&' } else { '?' };
        let put = format!("PUT {place}{join}digest={digest} HTTP/1.1\r\n");
        let _ = ask(self.registry, &put, blob);
        digest
    }

    /// Gives the reference, by digest.
    #[track_caller]
    fn put(&self, manifest: &Value) -> String {
        let text = manifest.to_string();
        let tag = hex(&Sha256::digest(&text));
        let put = format!("PUT /v2/{}/manifests/{tag} HTTP/1.1\r\n", self.path);
        let (head, _) =
            ask(self.registry, &format!("{put}content-type: {MANIFEST}\r\n"), text.as_bytes());
        format!("{}@{}", self.reference, header(&head, "docker-content-digest"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
fn header(head: &str, wanted: &str) -> String {
    let found = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
    });
    found.unwrap_or_else(|| panic!("no {wanted} in {head}"))
}

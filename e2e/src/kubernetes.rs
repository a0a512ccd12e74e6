//! A cluster on the test cluster's Kubernetes, in namespaces of its own.
//!
//! The tests run where the API server, pods and Services are reached (`cargo xtask cluster exec`), with
//! `KUBECONFIG` and the images' names in the environment.

mod account;
mod authority;
mod aws;
mod front;
mod logs;
mod looks;
mod nodes;
mod other;
mod pod;
mod registry;
mod undo;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::home::{Said, binary, openbao};
use crate::journal::{self, Journal, Pace, Writing};
use crate::verdict::Fault;
use crate::{Access, Status, wait};

pub use account::{Account, NoPods};
pub use aws::Aws;
pub use front::{Front, PATIENCE_OF_NGINX};
pub use logs::Logs;
pub use nodes::{Machines, Part};
pub use other::OtherCluster;
pub use pod::Container;
pub use registry::{More, another_digest, image, own_image, with};
pub use undo::Undo;

/// Where pods reach what runs beside the tests: the bridge of the test cluster's network.
pub const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// In the `spec` of a cluster of which a test expects that no request fails. This machine runs other
/// clusters beside it, and by default a leader that gets no processor for half a second steps down.
pub const PATIENT: &str = "  servers: {storage: {raft: {performanceMultiplier: 5}}}\n";
/// In the `spec` of a cluster with which something is shown that is no other with three servers, which take twice
/// the time of the processors.
pub const SINGLE: &str = "  servers: {replicas: 1}\n";
/// From one write of a client to its next. Every write goes through a proxy to three disks and is read back in
/// the end, and the machine does more than that.
const PACE: Duration = Duration::from_millis(200);
/// The longest that a cluster may take to be `Ready` on a busy machine.
const READY: Duration = Duration::from_secs(180);
/// The longest that logins may be refused: kube-proxy asks an API server that was away again only after
/// half a minute.
const LOGIN: Duration = Duration::from_secs(90);
/// The longest that news may take to be an event.
const EVENT: Duration = Duration::from_secs(10);
/// Between two looks at the status; each starts a program.
const PAUSE: Duration = Duration::from_millis(300);

/// A cluster of its own. Dropped, it goes with its data.
#[derive(Debug)]
pub struct Kube {
    name: String,
    folder: TempDir,
    /// What `vaultyard` finds in its environment.
    environment: Vec<(String, String)>,
}

impl Kube {
    /// The built-in cluster of three servers under another name, `Ready`.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::declared_up("")
    }

    /// One like it, of which a test expects that no request fails.
    #[must_use]
    #[track_caller]
    pub fn patient() -> Self {
        Self::declared_up(PATIENT)
    }

    /// A cluster with this `spec` (YAML, two spaces deep), brought up.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    #[track_caller]
    pub fn declared_up(spec: &str) -> Self {
        let cluster = Self::declared(spec);
        let said = cluster.up(&[]);
        assert_eq!(said.code, Some(0), "{said:#?}\n{}", cluster.all_there_is());
        cluster
    }

    /// A document with this `spec` (YAML, two spaces deep); nothing stands yet.
    #[must_use]
    pub fn declared(spec: &str) -> Self {
        static CLUSTERS: AtomicU16 = AtomicU16::new(0);
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}-{number}", std::process::id());
        let folder = tempfile::Builder::new().prefix("vaultyard-kube-").tempdir().unwrap();
        let cluster = Self { name, folder, environment: Vec::new() };
        cluster.declare(spec);
        cluster
    }

    /// Whoever runs `vaultyard` has this in the environment too.
    #[must_use]
    pub fn with_environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.environment = environment;
        self
    }

    /// Writes the document anew.
    pub fn declare(&self, spec: &str) {
        let spec = if spec.is_empty() { String::new() } else { format!("spec:\n{spec}") };
        let document = format!(
            "apiVersion: vaultyard.dev/v1alpha1\nkind: VaultCluster\nmetadata:\n  name: {}\n{spec}",
            self.name
        );
        std::fs::write(self.folder.path().join("cluster.yaml"), document).unwrap();
    }

    /// The cluster's name, which its namespace has too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace of its operations.
    #[must_use]
    pub fn operations(&self) -> String {
        format!("{}-operations", self.name)
    }

    /// The name of a server.
    #[must_use]
    pub fn server(&self, ordinal: u8) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// `vaultyard up` with these further words, to its end.
    pub fn up(&self, words: &[&str]) -> Said {
        self.up_within("170s", words)
    }

    /// The same with less patience.
    pub fn up_within(&self, time: &str, words: &[&str]) -> Said {
        let file = self.document();
        self.vaultyard(&[&["up", "-f", &file, "--timeout", time], words].concat())
    }

    /// `vaultyard check` of the document, to its end.
    pub fn check(&self, words: &[&str]) -> Said {
        self.vaultyard(&[&["check", "-f", &self.document()], words].concat())
    }

    /// `vaultyard plan` of the document, to its end.
    pub fn plan(&self, words: &[&str]) -> Said {
        self.vaultyard(&[&["plan", "-f", &self.document()], words].concat())
    }

    /// `vaultyard apply` of the document, to its end.
    pub fn apply(&self, words: &[&str]) -> Said {
        self.apply_within("170s", words)
    }

    /// The same with less patience.
    pub fn apply_within(&self, time: &str, words: &[&str]) -> Said {
        let file = self.document();
        self.vaultyard(&[&["apply", "-f", &file, "--timeout", time], words].concat())
    }

    /// `vaultyard upgrade` of the document, to its end.
    pub fn upgrade(&self, words: &[&str]) -> Said {
        let file = self.document();
        self.vaultyard(&[&["upgrade", "-f", &file, "--timeout", "170s"], words].concat())
    }

    /// `vaultyard render` of the document: every object as YAML.
    #[track_caller]
    pub fn render(&self) -> String {
        self.vaultyard(&["render", "-f", &self.document()]).done()
    }

    /// What of that defines the kind `VaultCluster`.
    ///
    /// # Panics
    /// When it is not rendered.
    #[track_caller]
    pub fn definition(&self) -> String {
        let rendered = self.render();
        let mut objects = rendered.split("---\n");
        let definition = objects.find(|object| object.contains("CustomResourceDef"));
        definition.expect("the definition is rendered").to_owned()
    }

    /// The path of the document.
    pub fn document(&self) -> String {
        self.folder.path().join("cluster.yaml").display().to_string()
    }

    /// A file for a test to hand in; gives its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Runs `vaultyard` with these words to its end.
    pub fn vaultyard(&self, words: &[&str]) -> Said {
        let mut command = Command::new(binary());
        command.env("VAULTYARD_TARGET", "kubernetes").env("HOME", self.folder.path());
        command.envs(self.environment.iter().cloned());
        if !matches!(words.first(), Some(&"up" | &"check" | &"plan" | &"apply" | &"render")) {
            command.args(["--namespace", &self.name]);
        }
        Said::of(command.args(words))
    }

    /// Runs a line of a shell as a person who has a terminal for this cluster: a session of its own.
    pub fn shell(&self, line: &str) -> Said {
        let program_folder = binary().parent().map(Path::to_path_buf);
        let machine = std::env::var_os("PATH").unwrap_or_default();
        let folders = program_folder.into_iter().chain([openbao()]);
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&machine)));
        let mut shell = Command::new("setsid");
        shell.args(["--wait", "sh", "-e", "-c", line]).env("PATH", path.unwrap());
        shell.env("VAULTYARD_TARGET", "kubernetes");
        Said::of(shell.env("HOME", self.folder.path()))
    }

    /// Runs `kubectl` in the cluster's namespace; what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn kubectl(&self, words: &[&str]) -> String {
        self.kubectl_in(&self.name, words)
    }

    /// The same, whatever comes of it.
    pub fn try_kubectl(&self, words: &[&str]) -> Said {
        kubectl(&self.name, words)
    }

    /// Runs `kubectl` in another namespace; what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn kubectl_in(&self, namespace: &str, words: &[&str]) -> String {
        let said = kubectl(namespace, words);
        assert_eq!(said.code, Some(0), "kubectl {}: {said:#?}", words.join(" "));
        said.stdout
    }

    /// Defines every kind that Vaultyard can be asked for and Kubernetes does not have: as the projects
    /// publish them, and for Google's, which are nowhere to be had, by our own.
    ///
    /// # Panics
    /// When they are missing, or refused.
    #[track_caller]
    pub fn define_all_kinds(&self) {
        let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        for place in ["target/test-parts/definitions", "crates/render/schemas/google.yaml"] {
            let place = format!("{checkout}/{place}");
            let words = ["apply", "--server-side", "--force-conflicts", "-f", &place];
            let _ = self.kubectl_in("default", &words);
            let words = ["wait", "--for=condition=Established", "--timeout=60s", "-f", &place];
            let _ = self.kubectl_in("default", &words);
        }
    }

    /// An object as JSON; `None` when there is none.
    #[must_use]
    pub fn object(&self, words: &[&str]) -> Option<Value> {
        self.object_in(&self.name, words)
    }

    /// The same in another namespace.
    #[must_use]
    pub fn object_in(&self, namespace: &str, words: &[&str]) -> Option<Value> {
        let words = [&["get", "-o", "json"], words].concat();
        serde_json::from_str(&kubectl(namespace, &words).stdout).ok()
    }

    /// `vaultyard status`, or what was said instead of one.
    fn status(&self) -> Result<Status, Said> {
        let said = self.vaultyard(&["status", "--output", "json"]);
        serde_json::from_str(&said.stdout).map_err(|_| said)
    }

    /// Waits until `holds` of the status.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn wait_for(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + READY;
        loop {
            let status = match self.status() {
                Ok(status) if holds(&status) => return status,
                status => status,
            };
            assert!(Instant::now() < deadline, "not {what}: {status:#?}\n{}", self.all_there_is());
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits for `Ready`, and until Kubernetes counts every pod as ready.
    #[track_caller]
    pub fn wait_until_ready(&self) -> Status {
        wait("all pods are ready", READY, || {
            let pods = self.pods()?;
            (!pods.is_empty() && pods.iter().all(is_ready)).then_some(())
        });
        self.wait_for("Ready", Status::is_ready)
    }

    /// The leader's name.
    #[track_caller]
    pub fn leader(&self) -> String {
        let status = self.wait_for("led", |status| status.leader().is_some());
        status.leader().unwrap_or_default().to_owned()
    }

    /// The name of a server that does not lead.
    #[track_caller]
    pub fn standby(&self) -> String {
        let status = self.wait_for("led", |status| status.named("standby").next().is_some());
        status.named("standby").next().unwrap_or_default().to_owned()
    }

    /// The administrator's way in, by the Service of the proxies.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn access(&self) -> Access {
        let service = self.object(&["service", &self.name]).expect("the Service is there");
        let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
        let address = format!("{address}:8200").parse().unwrap();
        let (ca, token) = self.login();
        Access::named(address, &format!("{0}.{0}.svc", self.name), ca.as_bytes(), &token)
    }

    /// The way to one server itself, without a token.
    ///
    /// # Panics
    /// When its pod has no address.
    #[must_use]
    #[track_caller]
    pub fn server_access(&self, server: &str) -> Access {
        let pod = self.pod(server).expect("the pod is there");
        let address = pod["status"]["podIP"].as_str().expect("it has an address");
        let address = format!("{address}:8200").parse().unwrap();
        let host = format!("{server}.{0}-servers.{0}.svc", self.name);
        Access::named(address, &host, self.root().as_bytes(), "")
    }

    /// Starts clients that write through the proxies.
    #[must_use]
    #[track_caller]
    pub fn start_writing(&self) -> Writing {
        let access = self.access();
        journal::provide(&access);
        journal::start(&access, Pace { writers: 4, every: PACE })
    }

    /// Does `harm` under load, waits until all is ready again and writes go on, and holds what was
    /// acknowledged against the store.
    ///
    /// # Panics
    /// When anything of that does not hold.
    #[track_caller]
    pub fn survives(&self, harm: impl FnOnce(&Self)) {
        let writing = self.start_writing();
        writing.wait_for(50);
        harm(self);
        let _ = self.wait_until_ready();
        writing.wait_for(50);
        let journal = writing.stop();
        assert_eq!(self.faults_of(&journal), [], "{:#?}", journal.failed().collect::<Vec<_>>());
    }

    /// What the latest event of this reason tells about the `VaultCluster`.
    #[must_use]
    #[track_caller]
    pub fn event(&self, reason: &str) -> String {
        let selector = format!("involvedObject.kind=VaultCluster,reason={reason}");
        wait(&format!("an event {reason}"), EVENT, || {
            let events = self.object(&["events", "--field-selector", &selector])?;
            let time = |event: &&Value| event["lastTimestamp"].as_str().map(str::to_owned);
            let latest = events["items"].as_array()?.iter().max_by_key(time)?;
            Some(latest["message"].as_str()?.to_owned())
        })
    }

    /// What became of the writes of this journal, asked once the cluster is `Ready`.
    #[must_use]
    #[track_caller]
    pub fn faults_of(&self, journal: &Journal) -> Vec<Fault> {
        journal.verdict(&journal::read_back(&self.access(), journal))
    }

    /// What a person would look at, for the message of a test that failed.
    #[must_use]
    pub fn all_there_is(&self) -> String {
        let mut text = String::new();
        for namespace in [self.name.clone(), self.operations()] {
            for words in [&["get", "pods", "-o", "wide"][..], &["get", "events"]] {
                let said = kubectl(&namespace, words);
                text += &format!("{}{}\n", said.stdout, said.stderr);
            }
        }
        text
    }

    /// The cluster's root, as everybody may read it, and a token as `vaultyard login` gets it. Right
    /// after the API server was away, a server's node may not know yet that it is back, and the login
    /// is refused: it is tried again, as a person would.
    fn login(&self) -> (String, String) {
        let token = wait("a login works", LOGIN, || {
            let said = self.vaultyard(&["login", "--print"]);
            if said.code != Some(0) {
                eprintln!("{}", said.stderr);
            }
            (said.code == Some(0)).then_some(said.stdout)
        });
        (self.root(), token.trim().to_owned())
    }

    /// The root that the cluster's certificates are known by, as everybody may read it.
    fn root(&self) -> String {
        let trust = format!("configmap/{}-ca", self.name);
        self.kubectl(&["get", &trust, "-o", "jsonpath={.data.ca\\.crt}"])
    }
}

impl Default for Kube {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Kube {
    fn drop(&mut self) {
        if std::env::var_os("VAULTYARD_E2E_KEEP").is_some() {
            return;
        }
        // Nobody waits for it: what `destroy` does in order has a test of its own.
        for namespace in [self.operations(), self.name.clone()] {
            let words = ["delete", "namespace", &namespace, "--ignore-not-found", "--wait=false"];
            let _ = self.try_kubectl(&words);
        }
        for ordinal in 0..3 {
            for container in ["server", "unsealer"] {
                let _ = self.try_kill_pod(&self.name, &self.server(ordinal), container);
            }
        }
        let everywhere = "clusterroles,clusterrolebindings,validatingadmissionpolicies,\
                          validatingadmissionpolicybindings";
        let label = format!("app.kubernetes.io/instance={}", self.name);
        let _ = self.try_kubectl(&["delete", everywhere, "-l", &label]);
    }
}

fn kubectl(namespace: &str, words: &[&str]) -> Said {
    Said::of(Command::new("kubectl").args(["--namespace", namespace]).args(words))
}

/// Whether Kubernetes counts a pod as ready.
fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let gone = pod["metadata"]["deletionTimestamp"].is_string();
    !gone && conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

//! The real parts, and a cluster's folder to use them in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use vaultyard_model::port::clock::Clock;
use vaultyard_model::port::launcher::{Launcher, Running};
use vaultyard_model::{Cluster, Layout, Secret, ServerName};
use vaultyard_target_local::lock::Lock;
use vaultyard_target_local::server_files::{Certificates, write_certificates};
use vaultyard_target_local::{
    LocalLauncher, Paths, ServerFolder, Spawner, StateDirectory, addresses,
};

use crate::sample;

/// A part that the tests need, below `target/test-parts/`.
pub(crate) fn part(name: &str) -> PathBuf {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-parts");
    let path = std::path::absolute(parts.join(name)).unwrap();
    assert!(path.exists(), "{} is missing; run `cargo xtask parts`", path.display());
    path
}

/// The program of OpenBao 2.7.2.
pub(crate) fn bao() -> PathBuf {
    match std::env::var_os("VAULTYARD_TEST_BAO") {
        Some(path) => PathBuf::from(path),
        None => part("openbao-2.7.2/bao"),
    }
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A state directory with certificates for three servers at free addresses.
pub(crate) struct Yard {
    _folder: TempDir,
    pub(crate) cluster: Cluster,
    pub(crate) layout: Layout,
    pub(crate) paths: Paths,
    _lock: Lock,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("yärd with spaces ").tempdir().unwrap();
        let cluster = vaultyard_testkit::sample::cluster(3);
        let first = addresses::free_block(&cluster, &sample::Dice).unwrap();
        let layout = Layout::beginning_at(&cluster, first).unwrap();
        let (state, lock) =
            StateDirectory::take(folder.path(), &cluster.name, "0.1.0", Timestamp::now()).unwrap();
        let paths = state.paths().clone();
        let authority_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(params, authority_key);
        for place in &layout.servers {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![place.api.ip().to_string()]).unwrap();
            let leaf = params.signed_by(&key, &issuer).unwrap().pem();
            write_certificates(
                &paths.server(&place.name),
                &Certificates {
                    certificate: &format!("{leaf}{authority}"),
                    key: &Secret::from(key.serialize_pem()),
                    authority: &authority,
                },
            )
            .unwrap();
        }
        Self { _folder: folder, cluster, layout, paths, _lock: lock }
    }

    pub(crate) fn server(&self) -> ServerName {
        self.cluster.name.server(0)
    }

    pub(crate) fn server_folder(&self) -> ServerFolder {
        self.paths.server(&self.server())
    }

    pub(crate) fn launcher(&self) -> LocalLauncher {
        self.launcher_of(&bao())
    }

    pub(crate) fn launcher_of(&self, program: &Path) -> LocalLauncher {
        LocalLauncher::new(
            self.cluster.clone(),
            self.layout.clone(),
            self.paths.clone(),
            program.to_owned(),
            Spawner::start().unwrap(),
            Arc::new(WallClock),
        )
    }

    /// Launches server 0.
    pub(crate) async fn launch(&self) -> Box<dyn Running> {
        self.launcher().launch(&self.server()).await.unwrap()
    }

    /// Whether the server answers on its API port.
    pub(crate) fn listens(&self) -> bool {
        std::net::TcpStream::connect(self.layout.servers[0].api).is_ok()
    }
}

/// Waits until something holds, at most half a minute.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Says one thing, such as `PUT sys/init`, over a server's socket for administration. Gives back
/// the status and what the answer holds; status 0 when there was no answer.
pub(crate) async fn ask(folder: &ServerFolder, what: &str, token: &str, body: &str) -> (u16, Json) {
    let (method, path) = what.split_once(' ').unwrap();
    let length = body.len();
    let request = format!(
        "{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {token}\r\nContent-Length: {length}\r\n\
         \r\n{body}"
    );
    let Ok(mut stream) = UnixStream::connect(folder.admin_socket()).await else {
        return (0, Json::Null);
    };
    let mut answer = Vec::new();
    let said = stream.write_all(request.as_bytes()).await;
    if said.is_err() || stream.read_to_end(&mut answer).await.is_err() {
        return (0, Json::Null);
    }
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
}

/// Initialises a server with one share, as soon as it answers. Gives back the body of its unseal call, and the root token.
pub(crate) async fn initialise(folder: &ServerFolder) -> (String, String) {
    answers(folder, "GET sys/health", "", 501).await;
    let one = r#"{"secret_shares":1,"secret_threshold":1}"#;
    let (status, keys) = ask(folder, "PUT sys/init", "", one).await;
    assert_eq!(status, 200, "{keys}");
    let token = keys["root_token"].as_str().unwrap().to_owned();
    (format!(r#"{{"key":{}}}"#, keys["keys"][0]), token)
}

/// Asks again and again until a server gives this status.
pub(crate) async fn answers(folder: &ServerFolder, what: &str, body: &str, wanted: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, answer) = ask(folder, what, "", body).await;
        if status == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {status} {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

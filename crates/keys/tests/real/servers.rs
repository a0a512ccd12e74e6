//! Real servers on loopback addresses of their own, each a child process of the test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, ServerName as TlsName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use vaultyard_keys::encryption::local::LocalEncryption;
use vaultyard_keys::envelope::Split;
use vaultyard_keys::fault::FaultHook;
use vaultyard_keys::initialise::{Ports, Subject, Unsealer};
use vaultyard_keys::last_unsealed::UnsealLog;
use vaultyard_keys::store::directory::DirectoryStore;
use vaultyard_keys::volume::directory::DirectoryVolume;
use vaultyard_model::access::Identity;
use vaultyard_model::observed::{LastEnd, ProcessSeen};
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::host::{Host, HostError, Signal};
use vaultyard_model::port::server::{KeyKind, Operator, Server};
use vaultyard_model::{ClusterName, ServerName, Software};
use vaultyard_vault::{Client, Endpoint, Session};

/// The operating system's randomness.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        getrandom::fill(bytes).map_err(|error| error.to_string())
    }
}

/// The server's program.
pub(crate) fn program() -> PathBuf {
    let given = std::env::var_os("VAULTYARD_TEST_BAO").map(PathBuf::from);
    let built =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-parts/openbao-2.7.2/bao");
    let program = given.unwrap_or(built);
    assert!(program.exists(), "{} is missing: run `cargo xtask parts`", program.display());
    program
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn leaf(
        &self,
        name: &str,
        sans: &[String],
        usage: ExtendedKeyUsagePurpose,
    ) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(sans).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key)
    }
}

/// The servers of one cluster. They end when this is dropped.
pub(crate) struct Servers {
    pub(crate) name: ClusterName,
    pub(crate) folder: TempDir,
    pub(crate) hosts: Vec<Arc<RealHost>>,
    pub(crate) store: Arc<DirectoryStore>,
    pub(crate) client_authority: String,
    addresses: Vec<Ipv4Addr>,
    server_authority: String,
    identities: BTreeMap<Identity, (String, String)>,
    log: UnsealLog,
    kind: KeyKind,
}

impl Servers {
    /// Starts `count` servers that nobody has initialised.
    pub(crate) fn start(count: u8) -> Self {
        Self::start_with(count, None)
    }

    /// The same with this seal, if any.
    pub(crate) fn start_with(count: u8, seal: Option<serde_json::Value>) -> Self {
        let kind = if seal.is_some() { KeyKind::Recovery } else { KeyKind::Unseal };
        let name = ClusterName::new("vault").unwrap();
        let folder = tempfile::Builder::new().prefix("vy-").tempdir().unwrap();
        let (server_authority, client_authority) =
            (Authority::new("servers"), Authority::new("clients"));
        let addresses = free_addresses(count);
        let hosts = (0..count)
            .map(|n| {
                let home = folder.path().join(n.to_string());
                fs::create_dir_all(home.join("data")).unwrap();
                let address = addresses[usize::from(n)];
                let san = [address.to_string()];
                let usage = ExtendedKeyUsagePurpose::ServerAuth;
                let (leaf, key) = server_authority.leaf(name.server(n).as_str(), &san, usage);
                fs::write(home.join("ca.pem"), &server_authority.pem).unwrap();
                fs::write(home.join("tls.crt"), leaf + &server_authority.pem).unwrap();
                fs::write(home.join("tls.key"), key.serialize_pem()).unwrap();
                let mut config = configuration(&name.server(n), &home, address);
                if let Some(seal) = &seal {
                    config["seal"] = seal.clone();
                }
                fs::write(home.join("server.json"), config.to_string()).unwrap();
                let host = RealHost { home, running: Mutex::default() };
                host.start();
                Arc::new(host)
            })
            .collect();
        let identities = Identity::ALL.into_iter().map(|identity| {
            let usage = ExtendedKeyUsagePurpose::ClientAuth;
            let (leaf, key) = client_authority.leaf(identity.as_str(), &[], usage);
            (identity, (leaf, key.serialize_pem()))
        });
        Self {
            identities: identities.collect(),
            store: Arc::new(DirectoryStore::open(folder.path().join("store")).unwrap()),
            log: UnsealLog::new(folder.path().join("last-unsealed.json")),
            name,
            folder,
            hosts,
            client_authority: client_authority.pem,
            server_authority: server_authority.pem,
            addresses,
            kind,
        }
    }

    /// A client of one server that shows the certificate of `identity`.
    pub(crate) fn client(&self, ordinal: u8, identity: Identity) -> Arc<Client> {
        let address = self.addresses[usize::from(ordinal)];
        Arc::new(Client::new(Endpoint {
            address: SocketAddr::V4(SocketAddrV4::new(address, 8200)).into(),
            tls_name: TlsName::from(std::net::IpAddr::V4(address)),
            tls: self.tls(identity),
        }))
    }

    /// Clients of all servers.
    pub(crate) fn clients(&self, identity: Identity) -> BTreeMap<ServerName, Arc<Client>> {
        let all = 0..u8::try_from(self.hosts.len()).unwrap();
        all.map(|n| (self.name.server(n), self.client(n, identity))).collect()
    }

    /// The socket of one server.
    pub(crate) fn socket(&self, ordinal: u8) -> Client {
        Client::unix(self.hosts[usize::from(ordinal)].home.join("admin.sock"))
    }

    fn tls(&self, identity: Identity) -> Arc<ClientConfig> {
        let (leaf, key) = &self.identities[&identity];
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.server_authority)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![der(leaf)], private_key(key))
            .unwrap();
        Arc::new(config)
    }

    /// The key-encryption key of this cluster.
    pub(crate) async fn encryption(&self) -> Arc<LocalEncryption> {
        let path = self.folder.path().join("key/key-encryption.key");
        let random = Arc::new(SystemRandom);
        Arc::new(LocalEncryption::open_or_create(path, &*self.store, random).await.unwrap())
    }

    /// A new unsealer for each server, as a process that has just begun has them.
    pub(crate) async fn unsealers(&self, faults: Arc<dyn FaultHook>) -> Vec<Unsealer> {
        let clients = self.clients(Identity::Vaultyard);
        let operator: Arc<dyn Operator> =
            Arc::new(Session::new(clients.clone(), Identity::Vaultyard));
        let encryption = self.encryption().await;
        let unsealer = |(name, own): (&ServerName, &Arc<Client>)| {
            let host = &self.hosts[usize::from(name.ordinal())];
            let peers = clients.iter().filter(|(peer, _)| *peer != name);
            let ports = Ports {
                own: own.clone(),
                peers: peers.map(|(n, c)| (n.clone(), c.clone() as Arc<dyn Server>)).collect(),
                host: host.clone(),
                volume: Arc::new(DirectoryVolume::open(host.home.join("records")).unwrap()),
                store: self.store.clone(),
                encryption: encryption.clone(),
                random: Arc::new(SystemRandom),
                operator: Some(operator.clone()),
                log: Some(self.log.clone()),
                faults: faults.clone(),
            };
            let subject = Subject {
                cluster: self.name.clone(),
                server: name.clone(),
                split: Split { kind: self.kind, shares: 5, threshold: 3 },
                software: Software::OpenBao,
                authority: self.server_authority.clone(),
            };
            Unsealer::new(subject, ports)
        };
        clients.iter().map(unsealer).collect()
    }
}

fn der(pem: &str) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn private_key(pem: &str) -> PrivateKeyDer<'static> {
    use rustls::pki_types::pem::PemObject;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Addresses of this machine on which both ports are free.
fn free_addresses(count: u8) -> Vec<Ipv4Addr> {
    loop {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let address = |n: u8| Ipv4Addr::new(127, 64 | random[0] >> 2, random[1], 10 + n);
        let all: Vec<_> = (0..count).map(address).collect();
        let free = |ip: &Ipv4Addr| {
            [8200, 8201].into_iter().all(|port| TcpListener::bind((*ip, port)).is_ok())
        };
        if all.iter().all(free) {
            return all;
        }
    }
}

fn configuration(server: &ServerName, home: &Path, address: Ipv4Addr) -> serde_json::Value {
    let file = |name: &str| home.join(name).display().to_string();
    let raft = json!({
        "path": file("data"), "node_id": server.as_str(), "performance_multiplier": 1,
    });
    let owner = fs::metadata(home).unwrap();
    json!({
        "cluster_name": "vault",
        "api_addr": format!("https://{address}:8200"),
        "cluster_addr": format!("https://{address}:8201"),
        "disable_standby_reads": true,
        "log_format": "json",
        "storage": {"raft": raft},
        "listener": [
            {"tcp": {"address": format!("{address}:8200"), "cluster_address": format!("{address}:8201"),
                     "tls_cert_file": file("tls.crt"), "tls_key_file": file("tls.key")}},
            {"unix": {"address": file("admin.sock"), "socket_mode": "0600",
                      "socket_user": owner.uid().to_string(), "socket_group": owner.gid().to_string(),
                      "disable_unauthed_generate_root_endpoints": false}},
        ],
        "audit": [{"type": "file", "path": "file", "description": "declared",
                   "options": {"file_path": "audit.log", "mode": "0600"}}],
    })
}

/// A server's process.
pub(crate) struct RealHost {
    pub(crate) home: PathBuf,
    running: Mutex<Option<(Child, Timestamp)>>,
}

impl RealHost {
    pub(crate) fn start(&self) {
        let log = File::options().create(true).append(true).open(self.home.join("server.log"));
        let log = log.unwrap();
        let child = Command::new(program())
            .arg("server")
            .arg(format!("-config={}", self.home.join("server.json").display()))
            .current_dir(&self.home)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.running.lock().unwrap() = Some((child, Timestamp::now()));
    }

    /// Lets the server, which must not run, be initialised alone, under keys that nobody keeps.
    pub(crate) async fn plant_foreign_data(&self, client: &Client) {
        fs::remove_dir_all(self.home.join("data")).unwrap();
        fs::create_dir(self.home.join("data")).unwrap();
        self.start();
        while client.health().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(client.initialise(KeyKind::Unseal, 5, 3).await.unwrap());
        self.kill();
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        if let Some((mut child, _)) = self.running.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for RealHost {
    fn drop(&mut self) {
        self.kill();
    }
}

#[async_trait]
impl Host for RealHost {
    fn process(&self) -> ProcessSeen {
        match &*self.running.lock().unwrap() {
            Some((child, since)) => ProcessSeen::Running { pid: child.id(), since: *since },
            None => ProcessSeen::Stopped,
        }
    }

    fn last_end(&self) -> Option<LastEnd> {
        None
    }

    fn election_won(&self) -> Option<Timestamp> {
        None
    }

    async fn restart_process(&self, _pid: u32, signal: Signal, why: &str) -> Result<(), HostError> {
        self.restart(signal, why).await
    }

    async fn restart(&self, _signal: Signal, _why: &str) -> Result<(), HostError> {
        self.kill();
        self.start();
        Ok(())
    }

    async fn wipe(&self, _why: &str) -> Result<(), HostError> {
        self.kill();
        fs::remove_dir_all(self.home.join("data")).unwrap();
        fs::create_dir(self.home.join("data")).unwrap();
        self.start();
        Ok(())
    }

    async fn reload(&self) -> Result<(), HostError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, HostError> {
        Ok(1 << 40)
    }
}

/// Waits this long at most for anything.
pub(crate) const LONG: Duration = Duration::from_secs(90);

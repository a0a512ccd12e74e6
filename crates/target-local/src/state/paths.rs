//! What lies where in a state directory.

use std::path::{Path, PathBuf};

use vaultyard_model::ServerName;
use vaultyard_render::server_configuration::AUDIT_FILE;

/// The paths of one state directory. All are absolute and UTF-8.
///
/// ```text
/// state.json           what this folder is: format, cluster, when and by what it was made
/// lock                 held by the one `up`; holds its process id
/// network.json         the first loopback address
/// cluster.yaml         the last document
/// control.sock         where the running `up` is asked
/// vaultyard.log
/// binaries/VERSION/    programs that were fetched
/// pki/                 the private certificate authority
/// keys/                the encrypted unseal shares
/// key-encryption/      the key that encrypts them, in a folder of its own
/// snapshots/           snapshots of the data, encrypted
/// standing.json        how many servers stand
/// last-unsealed.json   when and where the keys last unsealed a server
/// root-tokens.json     root tokens that were made from the shares and may live
/// version-change.json  the last change of version, and the snapshot from before it
/// servers/NAME/        see ServerFolder
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    root: String,
}

impl Paths {
    /// `root` must be absolute.
    pub(super) fn new(root: String) -> Self {
        Self { root }
    }

    fn at(&self, name: &str) -> PathBuf {
        Path::new(&self.root).join(name)
    }

    /// The state directory itself.
    pub fn root(&self) -> &Path {
        Path::new(&self.root)
    }

    /// What this folder is.
    pub fn record(&self) -> PathBuf {
        self.at("state.json")
    }

    /// The lock of the one who may change things here.
    pub fn lock(&self) -> PathBuf {
        self.at("lock")
    }

    /// The chosen addresses.
    pub fn network(&self) -> PathBuf {
        self.at("network.json")
    }

    /// How many servers stand.
    pub fn standing(&self) -> PathBuf {
        self.at("standing.json")
    }

    /// The last document that was brought up.
    pub fn document(&self) -> PathBuf {
        self.at("cluster.yaml")
    }

    /// Where the running Vaultyard is asked.
    pub fn control_socket(&self) -> PathBuf {
        self.at("control.sock")
    }

    /// Vaultyard's own log.
    pub fn log(&self) -> PathBuf {
        self.at("vaultyard.log")
    }

    /// The fetched programs, a folder a version.
    pub fn binaries(&self) -> PathBuf {
        self.at("binaries")
    }

    /// The private certificate authority.
    pub fn pki(&self) -> PathBuf {
        self.at("pki")
    }

    /// The store of encrypted shares, unless the document names another.
    pub fn keys(&self) -> PathBuf {
        self.at("keys")
    }

    /// The folder of the key-encryption key.
    pub fn key_encryption(&self) -> PathBuf {
        self.at("key-encryption")
    }

    /// Snapshots of the data.
    pub fn snapshots(&self) -> PathBuf {
        self.at("snapshots")
    }

    /// When and where the keys last unsealed a server.
    pub fn last_unsealed(&self) -> PathBuf {
        self.at("last-unsealed.json")
    }

    /// Which root tokens were made from the shares and may live.
    pub fn root_tokens(&self) -> PathBuf {
        self.at("root-tokens.json")
    }

    /// The last change of the servers' version.
    pub fn version_change(&self) -> PathBuf {
        self.at("version-change.json")
    }

    /// The folder of all servers' folders.
    pub fn servers(&self) -> PathBuf {
        self.at("servers")
    }

    /// The folder of one server.
    pub fn server(&self, server: &ServerName) -> ServerFolder {
        ServerFolder { path: format!("{}/servers/{server}", self.root) }
    }
}

/// The folder of one server, which is also its working directory.
///
/// ```text
/// server.json                  its configuration
/// tls.crt tls.key ca.pem       what it serves, and whom it believes
/// data/                        raft storage, and our note of whose it is
/// audit.log server.log         with .1, .2 and .3
/// admin.sock                   its socket for administration
/// unsealer/                    the unsealer's records; survive a wipe of the data
/// process.json                 the process that runs
/// release.json                 program and configuration that it was last started with
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFolder {
    path: String,
}

impl ServerFolder {
    fn text(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    fn at(&self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// The server's configuration.
    pub fn configuration(&self) -> PathBuf {
        self.at("server.json")
    }

    /// The certificate of its API, the authority's behind it.
    pub fn certificate(&self) -> PathBuf {
        self.at("tls.crt")
    }

    /// The private key of its API.
    pub fn key(&self) -> PathBuf {
        self.at("tls.key")
    }

    /// The authority of the servers' certificates.
    pub fn authority(&self) -> PathBuf {
        self.at("ca.pem")
    }

    /// Its raft storage.
    pub fn data(&self) -> PathBuf {
        self.at("data")
    }

    /// Where its raft storage is put to be removed.
    pub fn removed_data(&self) -> PathBuf {
        self.at("data.removed")
    }

    /// Our note, within the data, of whose data it is.
    pub fn data_owner(&self) -> PathBuf {
        self.at("data/.vaultyard-node")
    }

    /// Its audit file.
    pub fn audit(&self) -> PathBuf {
        self.at(AUDIT_FILE)
    }

    /// What it prints.
    pub fn log(&self) -> PathBuf {
        self.at("server.log")
    }

    /// Its socket for administration.
    pub fn admin_socket(&self) -> PathBuf {
        self.at("admin.sock")
    }

    /// The unsealer's records.
    pub fn unsealer(&self) -> PathBuf {
        self.at("unsealer")
    }

    /// The process that runs, for the next Vaultyard should this one be killed.
    pub fn process(&self) -> PathBuf {
        self.at("process.json")
    }

    /// What it was last started as.
    pub fn release(&self) -> PathBuf {
        self.at("release.json")
    }

    /// The paths that its configuration names.
    pub fn for_configuration(&self) -> vaultyard_render::Paths {
        vaultyard_render::Paths {
            data: self.text("data"),
            tls_certificate: self.text("tls.crt"),
            tls_key: self.text("tls.key"),
            certificate_authority: self.text("ca.pem"),
            admin_socket: self.text("admin.sock"),
        }
    }
}

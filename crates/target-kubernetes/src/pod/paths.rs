//! Where everything lies in a server's pod. The manifests mount the volumes there.

use std::path::{Path, PathBuf};

use vaultyard_render::server_configuration::AUDIT_FILE;

/// The folders and files of one pod.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self::below(PathBuf::from("/vaultyard"))
    }
}

impl Paths {
    /// The same layout below another folder, for tests.
    pub fn below(root: PathBuf) -> Self {
        Self { root }
    }

    /// The server's own volume, which outlives its pods; also its working directory.
    pub fn volume(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The server's audit file.
    pub(crate) fn audit(&self) -> PathBuf {
        self.volume().join(AUDIT_FILE)
    }

    /// The raft data.
    pub fn data(&self) -> PathBuf {
        self.volume().join("data")
    }

    /// Where raft data lies while it is being removed.
    pub(crate) fn removed(&self) -> PathBuf {
        self.volume().join("data.removed")
    }

    /// The unsealer's records: they survive the removal of the raft data.
    pub fn records(&self) -> PathBuf {
        self.volume().join("unsealer")
    }

    /// When the stored keys last unsealed this server.
    pub fn last_unsealed(&self) -> PathBuf {
        self.volume().join("last-unsealed.json")
    }

    /// Which root tokens were made here from the shares and may live.
    pub fn root_tokens(&self) -> PathBuf {
        self.volume().join("root-tokens.json")
    }

    /// The snapshots that were taken of this server.
    pub fn snapshots(&self) -> PathBuf {
        self.volume().join("snapshots")
    }

    /// The configuration of a throw-away server, which runs for as long as this is there.
    pub fn throw_away(&self) -> PathBuf {
        self.volume().join("throw-away.json")
    }

    /// Where that server stands.
    pub fn throw_away_folder(&self) -> PathBuf {
        self.volume().join("throw-away")
    }

    /// Why it does not run although it should.
    pub fn throw_away_ended(&self) -> PathBuf {
        self.volume().join("throw-away.ended")
    }

    /// Whose volume it is.
    pub(crate) fn owner(&self) -> PathBuf {
        self.volume().join("server-name")
    }

    /// In memory, shared by the containers of one pod.
    fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The server's configuration.
    pub fn configuration(&self) -> PathBuf {
        self.run().join("server.json")
    }

    /// The certificate that the server serves.
    pub fn served_certificate(&self) -> PathBuf {
        self.run().join("tls.crt")
    }

    /// Its key.
    pub fn served_key(&self) -> PathBuf {
        self.run().join("tls.key")
    }

    /// The authority that servers believe.
    pub fn served_authority(&self) -> PathBuf {
        self.run().join("ca.pem")
    }

    /// The server's unix socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.run().join("admin.sock")
    }

    /// The mounted Secret of all servers' certificates.
    pub fn certificates(&self) -> PathBuf {
        self.root.join("certificates")
    }

    /// The mounted Secret of the identities that log in with a certificate.
    pub fn identities(&self) -> PathBuf {
        self.root.join("identities")
    }

    /// The document.
    pub fn document(&self) -> PathBuf {
        self.root.join("document/cluster.yaml")
    }

    /// The folder that everything lies in.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

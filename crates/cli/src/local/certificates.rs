//! Keeps every certificate fresh and proves by a handshake that the fresh one is served.
//!
//! A server is never restarted for a certificate: it gets SIGHUP, and only the serial that a new
//! handshake shows tells whether that worked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use tokio::sync::watch;
use vaultyard_certificates::leaf::LeafError;
use vaultyard_certificates::tls::Swappable;
use vaultyard_certificates::{Authority, Ensured, Leaf, Wanted};
use vaultyard_model::access::Identity;
use vaultyard_model::chain;
use vaultyard_model::cluster::Issuer;
use vaultyard_model::observed::ProcessSeen;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::status::CertificateStatus;
use vaultyard_model::{Cluster, Layout, ServerName};
use vaultyard_target_local::server_files::{self, ServerFilesError};
use vaultyard_target_local::{Paths, ServerFolder};

use crate::identities;
use crate::keepers::served::{self, Loading, Shown};

/// Between two looks while all is well. A lifetime is at least half a minute.
const CALM: Duration = Duration::from_secs(5);
/// Between two looks while something is not proven yet.
const BUSY: Duration = Duration::from_millis(200);
/// The keeper of all certificates of a local cluster.
pub(crate) struct CertificateKeeper {
    pub(crate) authority: Arc<Authority>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) servers: Vec<Held>,
    pub(crate) proxy: Public,
    pub(crate) pki: PathBuf,
    /// What Vaultyard's own login shows.
    pub(crate) own: Arc<Swappable>,
    /// The serial number of what it shows.
    pub(crate) own_serial: String,
    pub(crate) trust: Arc<ClientConfig>,
    pub(crate) served: watch::Sender<BTreeMap<ServerName, CertificateStatus>>,
}

/// A server with its certificate.
pub(crate) struct Held {
    /// Which server.
    pub(crate) name: ServerName,
    /// What its certificate must say.
    pub(crate) wanted: Wanted,
    /// Where it lies.
    pub(crate) folder: ServerFolder,
    /// Where it is served.
    pub(crate) address: SocketAddr,
    /// What is told to load it.
    pub(crate) host: Arc<dyn Host>,
    /// How far that is.
    pub(crate) loading: Loading,
}

/// What clients of the proxy see.
pub(crate) struct Public {
    /// What it must say.
    pub(crate) wanted: Wanted,
    /// Where it lies.
    pub(crate) folder: PathBuf,
    /// Where the proxy takes it from.
    pub(crate) served: Arc<Swappable>,
    /// Where the proxy shows it.
    pub(crate) address: SocketAddr,
}

/// What a server's certificate must say.
pub(crate) fn of_server(cluster: &Cluster, place: &vaultyard_model::layout::Place) -> Wanted {
    let Issuer::PrivateCa { lifetime } = cluster.certificates.servers;
    Wanted::server(&place.name, &cluster.dns, place.api.ip(), lifetime)
}

/// What the proxy's certificate must say.
pub(crate) fn of_proxy(cluster: &Cluster, layout: &Layout) -> Wanted {
    let Issuer::PrivateCa { lifetime } = cluster.certificates.public;
    Wanted::proxy(&cluster.name, &cluster.dns, layout.proxy.ip(), lifetime)
}

/// Why a server has no certificate in its folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerLeafError {
    #[error(transparent)]
    Files(#[from] ServerFilesError),
    #[error(transparent)]
    Leaf(#[from] LeafError),
}

/// Sees to it that a server's folder holds its certificate and whom it believes, also when the
/// folder was lost.
pub(crate) fn ensure_for_server(
    folder: &ServerFolder,
    wanted: &Wanted,
    authority: &Authority,
    random: &dyn Random,
    now: Timestamp,
) -> Result<(Leaf, Ensured), ServerLeafError> {
    server_files::make_folders(folder)?;
    if std::fs::read(folder.authority()).ok().as_deref() != Some(authority.root_pem().as_bytes()) {
        server_files::write_authority(folder, authority.root_pem())?;
    }
    Ok(Leaf::ensure(folder.path(), wanted, authority, random, now)?)
}

/// The folder of the proxy's certificate.
pub(crate) fn proxy_folder(paths: &Paths) -> PathBuf {
    paths.pki().join("leaves/proxy")
}

#[async_trait]
impl Keeper for CertificateKeeper {
    async fn round(&mut self, now: Timestamp) -> Round {
        let mut unproven = None;
        for identity in Identity::ALL {
            unproven = unproven.or(self.keep_identity(identity, now).await.err());
        }
        unproven = unproven.or(self.keep_proxy(now).await.err());
        for index in 0..self.servers.len() {
            unproven = unproven.or(self.keep_server(index, now).await.err());
        }
        let next = if unproven.is_some() { BUSY } else { CALM };
        let waiting = unproven.map(|reason| Waiting { reason, stuck: false });
        Round { did: None, waiting, next }
    }
}

impl CertificateKeeper {
    async fn keep_identity(&mut self, identity: Identity, now: Timestamp) -> Result<(), String> {
        let (authority, random) = (self.authority.clone(), self.random.clone());
        let pki = self.pki.clone();
        let ensured =
            blocking(move || identities::ensure(&pki, identity, &authority, &*random, now));
        let (leaf, ensured) = ensured.await?;
        note(identity.as_str(), &leaf, ensured);
        let serial = leaf.certificate.serial.clone();
        if identity == Identity::Vaultyard && serial != self.own_serial {
            replace(&self.own, &leaf)?;
            self.own_serial = serial;
        }
        Ok(())
    }

    /// Renews the proxy's certificate where it is due, and looks at what the proxy shows.
    async fn keep_proxy(&self, now: Timestamp) -> Result<(), String> {
        let (folder, wanted) = (self.proxy.folder.clone(), self.proxy.wanted.clone());
        let (authority, random) = (self.authority.clone(), self.random.clone());
        let ensured = blocking(move || Leaf::ensure(&folder, &wanted, &authority, &*random, now));
        let (leaf, ensured) = ensured.await?;
        note("proxy", &leaf, ensured);
        match self.look(self.proxy.address, &leaf).await {
            Shown::Fresh(_) => Ok(()),
            Shown::Stale(_, why) => {
                replace(&self.proxy.served, &leaf)?;
                Err(format!("the proxy: {why}"))
            }
            Shown::Nobody(why) => Err(format!("the proxy: {why}")),
        }
    }

    /// Renews a server's certificate where it is due, has the server load it, and looks at what
    /// it serves.
    async fn keep_server(&mut self, index: usize, now: Timestamp) -> Result<(), String> {
        let Some(server) = self.servers.get(index) else { return Ok(()) };
        let (folder, wanted) = (server.folder.clone(), server.wanted.clone());
        let (authority, random) = (self.authority.clone(), self.random.clone());
        let ensured =
            blocking(move || ensure_for_server(&folder, &wanted, &authority, &*random, now));
        let (leaf, ensured) = ensured.await?;
        note(server.name.as_str(), &leaf, ensured);
        if !matches!(server.host.process(), ProcessSeen::Running { .. }) {
            return Ok(());
        }
        let shown = self.look(server.address, &leaf).await;
        let name = server.name.clone();
        if let Some(status) = shown.status() {
            self.publish(&name, status);
        }
        let Some(server) = self.servers.get_mut(index) else { return Ok(()) };
        let loaded = server.loading.go_on(shown, server.host.as_ref()).await;
        loaded.map_err(|why| format!("{name}: {why}"))
    }

    /// What is shown at an address where this leaf should be.
    async fn look(&self, address: SocketAddr, leaf: &Leaf) -> Shown {
        let name = TlsName::from(address.ip());
        served::look(address, name, &leaf.certificate.serial, &self.trust).await
    }

    fn publish(&self, server: &ServerName, status: CertificateStatus) {
        self.served.send_if_modified(|all| {
            let changed = all.get(server) != Some(&status);
            all.insert(server.clone(), status);
            changed
        });
    }
}

/// Logs a certificate that was issued.
fn note(holder: &str, leaf: &Leaf, ensured: Ensured) {
    if let Ensured::Issued(reason) = ensured {
        tracing::info!(holder, ?reason, serial = leaf.certificate.serial, "certificate issued");
    }
}

fn replace(served: &Swappable, leaf: &Leaf) -> Result<(), String> {
    let pair = leaf.pair().map_err(|error| error.to_string())?;
    served.replace(&pair).map_err(|error| error.to_string())
}

/// Runs file work where it holds up nobody.
async fn blocking<T: Send + 'static, E: std::error::Error + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| chain(&error)),
        Err(error) => Err(error.to_string()),
    }
}

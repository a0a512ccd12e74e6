//! Gives a server the certificates that are mounted into its pod, and proves by a handshake that it
//! serves them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use tokio::sync::watch;
use vaultyard_certificates::Certificate;
use vaultyard_model::observed::ProcessSeen;
use vaultyard_model::port::host::Host;
use vaultyard_model::port::keeper::{Keeper, Round, Waiting};
use vaultyard_model::status::CertificateStatus;
use vaultyard_model::{ServerName, chain};
use vaultyard_target_kubernetes::pod::{Paths, PodHost, files};

use super::mounted::Mounted;
use crate::keepers::served::{self, Loading};

/// Between two looks while all is well. Kubelet itself brings a changed Secret only after a minute.
const CALM: Duration = Duration::from_secs(5);
/// Between two looks while something is not proven yet.
const BUSY: Duration = Duration::from_millis(200);

/// The keeper of the certificates of one server's pod.
pub(crate) struct DeliveryKeeper {
    pub(crate) server: ServerName,
    pub(crate) paths: Paths,
    pub(crate) host: PodHost,
    /// Where the server shows its certificate, and for which name.
    pub(crate) shown_at: (SocketAddr, TlsName<'static>),
    pub(crate) trust: Arc<ClientConfig>,
    pub(crate) loading: Loading,
    /// What the unsealer itself shows.
    pub(crate) shows: Vec<Mounted>,
    pub(crate) served: watch::Sender<BTreeMap<ServerName, CertificateStatus>>,
}

#[async_trait]
impl Keeper for DeliveryKeeper {
    async fn round(&mut self, _: Timestamp) -> Round {
        let unproven = self.deliver().await.err();
        let next = if unproven.is_some() { BUSY } else { CALM };
        let waiting = unproven.map(|reason| Waiting { reason, stuck: false });
        Round { did: None, waiting, next }
    }
}

impl DeliveryKeeper {
    async fn deliver(&mut self) -> Result<(), String> {
        for mounted in &mut self.shows {
            mounted.follow()?;
        }
        files::deliver_certificates(&self.paths, &self.server).map_err(|error| chain(&error))?;
        let certificate = self.paths.served_certificate();
        let pem = std::fs::read(&certificate).map_err(|error| error.to_string())?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| chain(&error))?;
        if !matches!(self.host.process(), ProcessSeen::Running { .. }) {
            return Ok(());
        }
        let (address, name) = self.shown_at.clone();
        let shown = served::look(address, name, &certificate.serial, &self.trust).await;
        if let Some(status) = shown.status() {
            let all = BTreeMap::from([(self.server.clone(), status)]);
            self.served.send_if_modified(|before| {
                let changed = *before != all;
                *before = all;
                changed
            });
        }
        let loaded = self.loading.go_on(shown, &self.host).await;
        loaded.map_err(|why| format!("{}: {why}", self.server))
    }
}

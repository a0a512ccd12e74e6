//! What a server shows at a handshake, beside what it should: only that proves that a renewed
//! certificate is served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName as TlsName;
use vaultyard_certificates::Certificate;
use vaultyard_certificates::handshake::{self, HandshakeError};
use vaultyard_model::chain;
use vaultyard_model::port::host::Host;
use vaultyard_model::status::CertificateStatus;

/// A server loads its certificate within milliseconds; one that has not by then is told again.
const TELL_AGAIN: Duration = Duration::from_secs(2);
/// How long a handshake may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// What a handshake showed.
pub(crate) enum Shown {
    /// The certificate that should be served.
    Fresh(Certificate),
    /// Another one, or one that cannot be verified any more: it has expired, or the clock jumped.
    Stale(Option<Certificate>, String),
    /// Nobody answered.
    Nobody(String),
}

impl Shown {
    /// The certificate that was shown, as `status` tells it.
    pub(crate) fn status(&self) -> Option<CertificateStatus> {
        let (Self::Fresh(shown) | Self::Stale(Some(shown), _)) = self else { return None };
        Some(CertificateStatus { serial: shown.serial.clone(), not_after: shown.not_after })
    }
}

/// What is shown at an address where the certificate with this serial number should be.
pub(crate) async fn look(
    address: SocketAddr,
    name: TlsName<'static>,
    serial: &str,
    trust: &ClientConfig,
) -> Shown {
    match handshake::served(address, name, trust, DEADLINE).await {
        Ok(shown) if shown.serial == serial => Shown::Fresh(shown),
        Ok(shown) => {
            Shown::Stale(Some(shown), "it does not serve its new certificate yet".to_owned())
        }
        Err(error @ HandshakeError::Refused { .. }) => Shown::Stale(None, chain(&error)),
        Err(error) => Shown::Nobody(chain(&error)),
    }
}

/// Has a server load the certificate that lies ready for it.
#[derive(Default)]
pub(crate) struct Loading {
    /// When it was last told to, while it has not done it yet.
    told: Option<Instant>,
}

impl Loading {
    /// Tells the server to load it, when what it shows is not the fresh one.
    pub(crate) async fn go_on(&mut self, shown: Shown, host: &dyn Host) -> Result<(), String> {
        match shown {
            Shown::Fresh(_) => {
                self.told = None;
                Ok(())
            }
            Shown::Nobody(why) => Err(why),
            Shown::Stale(_, why) => {
                if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
                    self.told = Some(Instant::now());
                    host.reload().await.map_err(|error| error.to_string())?;
                }
                Err(why)
            }
        }
    }
}

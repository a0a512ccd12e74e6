//! What rustls needs: a certificate with its key, settings for clients, and a certificate that
//! can be replaced while a server runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, RootCertStore, SignatureScheme, WantsVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::inspect::InspectError;

/// Why rustls cannot work with what it was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("the certificate {0}")]
    Certificate(#[from] InspectError),
    /// The key cannot be read. What is in it is not told.
    #[error("the key file holds no private key in PEM")]
    Key,
    /// The two do not fit each other, or rustls does not accept them.
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// A root cannot be trusted, or TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// A certificate chain with the leaf's private key; the two fit each other. It has no `Debug`.
pub struct Pair {
    /// The leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Pair {
    /// Reads a chain and a key, and checks that they belong together.
    ///
    /// # Errors
    /// [`TlsError`] says which of the two is wrong, or that they do not fit.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let pair = Self {
            chain: certificates(chain)?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?,
        };
        pair.certified()?;
        Ok(pair)
    }

    fn certified(&self) -> Result<CertifiedKey, TlsError> {
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider())
            .map_err(TlsError::Pair)
    }
}

/// Every certificate of a PEM text; at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InspectError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|certificates| !certificates.is_empty()).ok_or(InspectError::NotPem)
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// Settings for a client that trusts `roots` (PEM) alone, shows `identity` to servers that ask
/// (what it holds at the time of the handshake), and offers `protocols` by ALPN, the best first (`http/1.1`); none when it is empty.
///
/// # Errors
/// [`TlsError`] when a root or the identity cannot be used.
pub fn client_config(
    roots: &[u8],
    identity: Option<Arc<Swappable>>,
    protocols: &[&str],
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
    let mut trusted = RootCertStore::empty();
    for root in certificates(roots)? {
        trusted.add(root).map_err(TlsError::Setup)?;
    }
    let builder = builder.with_root_certificates(trusted);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// Settings for a server that shows `identity` and lets nobody in but who shows a certificate that one
/// of `authorities` (PEM) has issued for clients.
///
/// # Errors
/// [`TlsError`] when an authority cannot be used.
pub fn server_config(
    identity: Arc<dyn ResolvesServerCert>,
    authorities: &[u8],
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut trusted = RootCertStore::empty();
    for authority in certificates(authorities)? {
        trusted.add(authority).map_err(TlsError::Setup)?;
    }
    let provider = Arc::new(provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider.clone());
    let verifier = verifier
        .build()
        .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificate of a server or a client, replaced while it is in use: connections that stand go
/// on with the old one, new ones get the new.
pub struct Swappable(RwLock<Arc<CertifiedKey>>);

impl Swappable {
    /// Begins with this certificate.
    ///
    /// # Errors
    /// [`TlsError::Pair`] when rustls cannot use it.
    pub fn new(pair: &Pair) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Arc::new(pair.certified()?))))
    }

    /// Serves this certificate from now on.
    ///
    /// # Errors
    /// [`TlsError::Pair`] when rustls cannot use it; the old one is then served on.
    pub fn replace(&self, pair: &Pair) -> Result<(), TlsError> {
        let certified = Arc::new(pair.certified()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    fn present(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Swappable {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.present())
    }
}

impl ResolvesClientCert for Swappable {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.present())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Swappable {
    /// Nothing of the certificate or the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swappable").finish_non_exhaustive()
    }
}

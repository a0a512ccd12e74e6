//! A key encryption that is a key in the transit engine of another cluster.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vaultyard_model::Secret;
use vaultyard_model::address::Host;
use vaultyard_model::cluster::{EnginePath, Transit, TransitLogin};
use vaultyard_model::port::custody::{Custody, CustodyError, KeyEncryption, WrappedKey};
use vaultyard_model::port::server::CallError;
use vaultyard_vault::{Client, Endpoint, Login};

use super::file::{FileError, read};

/// A login writes a token, so it may have to wait for the disk.
const LOGIN: Duration = Duration::from_secs(10);

/// A key in a transit engine. It must be of a kind that takes associated data.
pub struct TransitEncryption {
    client: Client,
    transit: Transit,
    held: Mutex<Option<Held>>,
}

/// A token from a login.
struct Held {
    token: Arc<Secret>,
    until: Instant,
}

/// Why there is no encryption.
#[derive(Debug, thiserror::Error)]
pub enum TransitError {
    /// The file with the authority cannot be read.
    #[error("spec.keys.encryption.transit.caCert: {0}")]
    File(#[from] FileError),
    /// It holds no certificate.
    #[error("spec.keys.encryption.transit.caCert: {} holds no certificate in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The platform's authorities cannot be used, or no name can be verified.
    #[error("no TLS to {address}: {why}")]
    Tls {
        /// Where to.
        address: String,
        /// Why.
        why: String,
    },
}

impl TransitEncryption {
    /// A client of the other cluster. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TransitError`].
    pub fn new(transit: Transit) -> Result<Self, TransitError> {
        let address = transit.address.address();
        let no_tls = |why: String| TransitError::Tls { address: transit.address.to_string(), why };
        if !transit.address.tls() {
            return Err(no_tls("it is http, and data keys go there: write https".to_owned()));
        }
        let tls_name = match &address.host {
            Host::Ip(ip) => ServerName::from(*ip),
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
                .map_err(|error| no_tls(error.to_string()))?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| no_tls(error.to_string()))?;
        let tls = match &transit.ca_file {
            Some(path) => builder.with_root_certificates(authorities(path)?),
            None => builder.with_platform_verifier().map_err(|error| no_tls(error.to_string()))?,
        };
        let tls = Arc::new(tls.with_no_client_auth());
        let client = Client::new(Endpoint { address: address.clone(), tls_name, tls });
        Ok(Self { client, transit, held: Mutex::default() })
    }

    /// The token, and whether it comes from a login of some time ago.
    async fn token(&self) -> Result<(Arc<Secret>, bool), CustodyError> {
        let (mount, role, token_file) = match &self.transit.login {
            TransitLogin::TokenFile(file) => return Ok((Arc::new(from_file(file)?), false)),
            TransitLogin::Kubernetes { mount, role, token_file } => (mount, role, token_file),
        };
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.until) {
            return Ok((held.token.clone(), true));
        }
        let jwt = from_file(token_file)?;
        let login =
            self.client.log_in_as_service_account(mount.as_str(), role.as_str(), &jwt, LOGIN);
        let login = login.await.map_err(|error| {
            let act = format!("log in as {role} at auth/{mount}");
            let needs = "the role must accept this account: spec.keys.encryption.transit.auth";
            self.failed(&act, &error, needs)
        })?;
        let Login { token, lease } = login;
        let token = Arc::new(token);
        // Half of its life: enough of the rest for every call that has begun.
        let until = Instant::now() + lease / 2;
        *held = Some(Held { token: token.clone(), until });
        Ok((token, false))
    }

    /// Runs a call; once more with a new token when an older one is not accepted any more.
    async fn run<T, F>(&self, act: &str, call: impl Fn(Arc<Secret>) -> F) -> Result<T, CustodyError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let (token, is_old) = self.token().await?;
        let result = match call(token).await {
            Err(CallError::Refused { status: 403, .. }) if is_old => {
                *self.held.lock().await = None;
                let (token, _) = self.token().await?;
                call(token).await
            }
            result => result,
        };
        let Transit { mount, key, .. } = &self.transit;
        let needs = format!(
            "the bytes must be unchanged, and the token needs update on {mount}/encrypt/{key} and \
             {mount}/decrypt/{key}"
        );
        result.map_err(|error| self.failed(act, &error, &needs))
    }

    /// A call that was not done. `needs` says what must be so for it to work.
    fn failed(&self, act: &str, error: &CallError, needs: &str) -> CustodyError {
        let address = &self.transit.address;
        let text = format!("the transit engine at {address} cannot {act}: it {error}");
        match error {
            CallError::Unreachable(_) | CallError::NoAnswer(_) => CustodyError::Retryable(text),
            // Sealed or without a leader, throttled, not yet replicated.
            CallError::Refused { status: 412 | 429 | 500.., .. } => CustodyError::Retryable(text),
            CallError::Refused { .. } | CallError::Malformed(_) => {
                CustodyError::Fatal(format!("{text}; {needs}"))
            }
        }
    }

    /// The name of one version of the key.
    fn key_id(&self, version: &str) -> String {
        format!("{}{version}", self.key_prefix())
    }

    fn key_prefix(&self) -> String {
        let Transit { mount, key, .. } = &self.transit;
        format!("transit/{mount}/{key}/v")
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, TransitError> {
    let pem = read(path)?;
    let none = || TransitError::NoCertificate { path: path.to_path_buf() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|_| none())?).map_err(|_| none())?;
    }
    if roots.is_empty() { Err(none()) } else { Ok(roots) }
}

/// A token, without the line's end that people and programs put behind it.
fn from_file(path: &Path) -> Result<Secret, CustodyError> {
    let bytes = read(path).map_err(|error| {
        let text = format!("the token for the transit engine: {error}");
        if error.passes() { CustodyError::Retryable(text) } else { CustodyError::Fatal(text) }
    })?;
    Ok(Secret::new(bytes.trim_ascii().to_vec()))
}

/// What the server gives, `vault:v1:BASE64`, as the version and the bytes.
fn split(cipher: &str) -> Option<(&str, Vec<u8>)> {
    let (version, text) = cipher.strip_prefix("vault:v")?.split_once(':')?;
    Some((version, STANDARD.decode(text).ok()?))
}

#[async_trait]
impl KeyEncryption for TransitEncryption {
    fn describe(&self) -> Custody {
        let Transit { address, mount, key, .. } = &self.transit;
        let location = format!("transit key {mount}/{key} at {address}");
        Custody { location, key_beside_data: false }
    }

    async fn wrap_key(&self, key: &Secret, context: &[u8]) -> Result<WrappedKey, CustodyError> {
        let (mount, name) = (path(&self.transit.mount), path(&self.transit.key));
        let act = format!("encrypt with {name}");
        let encrypted = self.run(&act, |token| async move {
            self.client.with_token(&token).transit_encrypt(mount, name, key, context).await
        });
        let cipher = encrypted.await?;
        let odd = || CallError::Malformed("the cipher text is not vault:v1:BASE64".to_owned());
        let needs = "find out what answers there";
        let (version, bytes) = split(&cipher).ok_or_else(|| self.failed(&act, &odd(), needs))?;
        Ok(WrappedKey { key_id: self.key_id(version), bytes })
    }

    async fn unwrap_key(&self, key: &WrappedKey, context: &[u8]) -> Result<Secret, CustodyError> {
        let (mount, name) = (path(&self.transit.mount), path(&self.transit.key));
        let version = key.key_id.strip_prefix(&self.key_prefix());
        let version = version.filter(|text| text.chars().all(|c| c.is_ascii_digit()));
        let Some(version) = version else {
            return Err(CustodyError::Fatal(format!(
                "it was encrypted under {}, and spec.keys.encryption.transit names {mount}/{name}; put \
                 the right one back",
                key.key_id
            )));
        };
        let cipher = format!("vault:v{version}:{}", STANDARD.encode(&key.bytes));
        let cipher = cipher.as_str();
        let act = format!("decrypt with {name}");
        let decrypted = self.run(&act, |token| async move {
            self.client.with_token(&token).transit_decrypt(mount, name, cipher, context).await
        });
        decrypted.await
    }
}

fn path(path: &EnginePath) -> &str {
    path.as_str()
}

//! The services of AWS as moto speaks them, where pods reach them: with TLS, without which Vaultyard
//! shows its credentials to nobody on another machine.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use vaultyard_emulators::moto::{self, BUCKET, Moto, REGION};

use super::BRIDGE;
use super::authority::certify;
use super::registry::More;
use crate::journal::runtime;
use crate::plain::ask;

/// Where our image has the authorities that it trusts.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A bucket and a key. They go when this is dropped.
pub struct Aws {
    moto: Moto,
    key: String,
    endpoint: String,
    folder: TempDir,
    door: JoinHandle<()>,
}

impl Aws {
    /// Starts them.
    ///
    /// # Panics
    /// When that cannot be done.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("vaultyard-aws-").tempdir().unwrap();
        certify(&folder);
        let moto = runtime().block_on(Moto::start([127, 0, 0, 1].into()));
        let inside = moto.url.trim_start_matches("http://").to_owned();
        let _ = ask(&inside, &format!("PUT /{BUCKET} HTTP/1.1\r\n"), b"");
        let head = format!(
            "POST / HTTP/1.1\r\nx-amz-target: TrentService.CreateKey\r\n\
             content-type: application/x-amz-json-1.1\r\n{}",
            signature("kms")
        );
        let (_, made) = ask(&inside, &head, b"{}");
        let made: Value = serde_json::from_str(&made).unwrap();
        let key = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
        let (endpoint, door) = runtime().block_on(open(&folder, inside));
        Self { moto, key, endpoint, folder, door }
    }

    /// The `spec.keys` that means them.
    #[must_use]
    pub fn keys(&self) -> String {
        let Self { key, endpoint, .. } = self;
        let at = format!("region: {REGION}, endpoint: '{endpoint}'");
        format!(
            "{{encryption: {{awsKms: {{keyId: '{key}', {at}}}}}, \
             store: {{s3: {{bucket: {BUCKET}, {at}}}}}}}"
        )
    }

    /// The `spec.snapshots.store` that means the bucket.
    #[must_use]
    pub fn snapshots(&self) -> String {
        format!("{{s3: {{bucket: {BUCKET}, region: {REGION}, endpoint: '{}'}}}}", self.endpoint)
    }

    /// The key's name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What programs on this machine are told.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let authority = self.authority().display().to_string();
        let trust = ("SSL_CERT_FILE".to_owned(), authority);
        Self::credentials().into_iter().chain([trust]).collect()
    }

    /// What an image of ours is given.
    ///
    /// # Panics
    /// When the authority's file is gone.
    #[must_use]
    pub fn more(&self) -> More {
        let authority = std::fs::read_to_string(self.authority()).unwrap();
        More { environment: Self::credentials(), files: vec![(AUTHORITIES.to_owned(), authority)] }
    }

    /// What is in the bucket under this name, in the folder of a cluster.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    #[track_caller]
    pub fn object(&self, cluster: &str, name: &str) -> String {
        let path = format!("/{BUCKET}/{cluster}/{name}");
        let host = self.moto.url.trim_start_matches("http://");
        ask(host, &format!("GET {path} HTTP/1.1\r\n{}", signature("s3")), b"").1
    }

    fn credentials() -> Vec<(String, String)> {
        let said = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            said("AWS_ACCESS_KEY_ID", "AKIATEST"),
            said("AWS_SECRET_ACCESS_KEY", "secret-of-the-test"),
        ]
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.door.abort();
    }
}

fn signature(service: &str) -> String {
    format!("authorization: {}\r\n", moto::signature(service))
}

/// Lets in with TLS who wants to go `inside`; gives the address.
async fn open(folder: &TempDir, inside: String) -> (String, JoinHandle<()>) {
    let file = |name: &str| folder.path().join(name);
    let chain = vec![CertificateDer::from_pem_file(file("tls.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("tls.key")).unwrap();
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let tls = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((BRIDGE, 0)).await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let door = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, inside) = (tls.clone(), inside.clone());
            tokio::spawn(async move {
                let mut outer = tls.accept(stream).await.ok()?;
                let mut inner = TcpStream::connect(inside).await.ok()?;
                copy_bidirectional(&mut outer, &mut inner).await.ok()
            });
        }
    });
    (address, door)
}

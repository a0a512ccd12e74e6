//! The proxy on its own, for measuring it: one thread, the limits that a document has by default.
//!
//! `standalone LISTEN CA CERTIFICATE KEY SERVER...` listens with that certificate in front of these
//! addresses, whose certificates the CA must have signed. It says `listening`, then obeys the words
//! `drain` and `release` on its standard input, and ends with it.

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc;
use vaultyard_model::ClusterName;
use vaultyard_model::cluster::Proxy as Limits;
use vaultyard_proxy::{Config, Handle, Metrics, Proxy, Server};

/// The longest that a drain waits.
const DRAIN: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, authority, certificate, key, servers @ ..] = words.as_slice() else {
        return Err("standalone LISTEN CA CERTIFICATE KEY SERVER...".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = config(listen.parse()?, servers)?;
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = Metrics::register(&mut registry);
        let certificate = Arc::new(Always(pair(certificate, key)?));
        let proxy = Proxy::bind(config, certificate, &trust(authority)?, metrics)?;
        let handle = proxy.handle();
        println!("listening");
        proxy.run(obey(handle)).await;
        Ok(())
    })
}

/// Does as it is told until nobody tells it anything.
async fn obey(handle: Handle) {
    let (hand_over, mut words) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        lines.take_while(|word| hand_over.blocking_send(word.clone()).is_ok()).for_each(drop);
    });
    let mut drain = None;
    while let Some(word) = words.recv().await {
        match word.as_str() {
            "drain" => {
                drain = Some(handle.drain(DRAIN).await);
                println!("drained");
            }
            "release" => {
                drain = None;
                println!("released");
            }
            _ => println!("drain or release?"),
        }
    }
    drop(drain);
}

fn config(listen: SocketAddr, servers: &[String]) -> Result<Config, Box<dyn Error>> {
    let cluster = ClusterName::new("vault")?;
    let server = |(address, ordinal): (&String, _)| {
        let address: SocketAddr = address.parse()?;
        let tls_name = address.ip().to_string();
        Ok(Server { name: cluster.server(ordinal), address: address.into(), tls_name })
    };
    let servers = servers.iter().zip(0..).map(server);
    Ok(Config {
        listen,
        limits: Limits {
            max_in_flight: 40,
            hold: Duration::from_secs(30),
            max_held: 1024,
            max_held_bytes: 64 << 20,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            open: Vec::new(),
        },
        proxies: NonZeroU16::MIN,
        servers: servers.collect::<Result<_, Box<dyn Error>>>()?,
    })
}

/// Serves one certificate.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn pair(certificate: &str, key: &str) -> Result<Arc<CertifiedKey>, Box<dyn Error>> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider)?))
}

fn trust(authority: &str) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

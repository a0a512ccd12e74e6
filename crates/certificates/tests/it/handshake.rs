use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use vaultyard_certificates::handshake::{HandshakeError, served};
use vaultyard_certificates::tls::{Swappable, client_config};
use vaultyard_certificates::{Leaf, Usage};

use crate::scene::{Scene, wanted};

const DEADLINE: Duration = Duration::from_secs(5);

fn name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).unwrap()
}

fn leaf(scene: &Scene, folder: &str, usage: Usage) -> Leaf {
    scene.ensure(folder, &wanted(usage)).0
}

/// A server that ends each connection after its handshake and one byte.
struct Serving {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Serving {
    async fn start(config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.write_all(b"!").await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self { address, task }
    }

    async fn open(resolver: Arc<Swappable>) -> Self {
        let builder = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Self::start(builder.with_no_client_auth().with_cert_resolver(resolver)).await
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn the_handshake_shows_each_certificate_as_soon_as_it_is_served() {
    let scene = Scene::new();
    let (old, new) = (leaf(&scene, "old", Usage::Server), leaf(&scene, "new", Usage::Server));
    let resolver = Arc::new(Swappable::new(&old.pair().unwrap()).unwrap());
    let serving = Serving::open(Arc::clone(&resolver)).await;
    let trust = client_config(scene.authority().root_pem().as_bytes(), None, &[]).unwrap();
    for host in ["vault-0.vault.test", "127.0.0.1"] {
        let seen = served(serving.address, name(host), &trust, DEADLINE).await.unwrap();
        assert_eq!(seen, old.certificate);
    }
    // A client with the same settings gets a ticket; a resumed session would show the old leaf.
    let connected = TcpStream::connect(serving.address).await.unwrap();
    let connector = TlsConnector::from(Arc::clone(&trust));
    let mut client = connector.connect(name("127.0.0.1"), connected).await.unwrap();
    client.read_u8().await.unwrap();
    resolver.replace(&new.pair().unwrap()).unwrap();
    let seen = served(serving.address, name("127.0.0.1"), &trust, DEADLINE).await.unwrap();
    assert_eq!(seen, new.certificate);
}

#[tokio::test]
async fn what_is_not_trusted_or_has_another_name_is_refused() {
    let (scene, other) = (Scene::new(), Scene::new());
    let resolver = Swappable::new(&leaf(&scene, "s", Usage::Server).pair().unwrap()).unwrap();
    let serving = Serving::open(Arc::new(resolver)).await;
    let config = |root: &str| client_config(root.as_bytes(), None, &["http/1.1"]).unwrap();
    let (own, foreign) =
        (config(scene.authority().root_pem()), config(other.authority().root_pem()));
    for (trust, host) in [(&own, "vault-1.vault.test"), (&foreign, "vault-0.vault.test")] {
        let seen = served(serving.address, name(host), trust, DEADLINE).await;
        assert!(matches!(seen, Err(HandshakeError::Refused { .. })), "{seen:?}");
    }
}

#[tokio::test]
async fn a_client_leaf_proves_no_server() {
    let scene = Scene::new();
    let mut wanted = wanted(Usage::Client);
    wanted.dns_names = crate::scene::wanted(Usage::Server).dns_names;
    let (leaf, _) = scene.ensure("c", &wanted);
    let resolver = Swappable::new(&leaf.pair().unwrap()).unwrap();
    let serving = Serving::open(Arc::new(resolver)).await;
    let trust = client_config(scene.authority().root_pem().as_bytes(), None, &[]).unwrap();
    let seen = served(serving.address, name("vault-0.vault.test"), &trust, DEADLINE).await;
    assert!(matches!(seen, Err(HandshakeError::Refused { .. })), "{seen:?}");
}

/// Whether a server that trusts the client CA alone takes a client with this identity.
async fn logs_in(scene: &Scene, identity: Option<&Leaf>) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut clients = RootCertStore::empty();
    let pem = scene.authority().clients_pem().to_owned();
    clients.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(clients.into(), provider.clone());
    let pair = leaf(scene, "server", Usage::Server).pair().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(pair.chain, pair.key)
        .unwrap();
    let serving = Serving::start(config).await;
    let root = fs::read(scene.path("ca/root.crt")).unwrap();
    let trust = client_config(
        &root,
        identity.map(|leaf| Arc::new(Swappable::new(&leaf.pair().unwrap()).unwrap())),
        &[],
    )
    .unwrap();
    let connected = TcpStream::connect(serving.address).await.unwrap();
    let connector = TlsConnector::from(trust);
    let Ok(mut stream) = connector.connect(name("127.0.0.1"), connected).await else {
        return false;
    };
    stream.read_u8().await.is_ok()
}

#[tokio::test]
async fn only_a_client_leaf_logs_in() {
    let scene = Scene::new();
    assert!(logs_in(&scene, Some(&leaf(&scene, "c", Usage::Client))).await);
    assert!(!logs_in(&scene, Some(&leaf(&scene, "s", Usage::Server))).await);
    assert!(!logs_in(&scene, None).await);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_deadline() {
    let scene = Scene::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let trust = client_config(scene.authority().root_pem().as_bytes(), None, &[]).unwrap();
    let short = Duration::from_millis(50);
    let seen = served(address, name("127.0.0.1"), &trust, short).await;
    assert!(matches!(seen, Err(HandshakeError::Deadline { .. })), "{seen:?}");
    drop(silent);
    let seen = served(address, name("127.0.0.1"), &trust, DEADLINE).await;
    assert!(matches!(seen, Err(HandshakeError::Connect { .. })), "{seen:?}");
}

#[test]
fn a_damaged_pair_is_not_served() {
    let scene = Scene::new();
    let (one, two) = (leaf(&scene, "one", Usage::Server), leaf(&scene, "two", Usage::Server));
    let mut mixed = one.pair().unwrap();
    mixed.key = two.pair().unwrap().key;
    let serving = Swappable::new(&two.pair().unwrap()).unwrap();
    assert!(serving.replace(&mixed).is_err());
    assert_eq!(format!("{serving:?}"), "Swappable { .. }");
}

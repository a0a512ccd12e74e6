//! The transit engine of another cluster: a second OpenBao, in development mode with TLS.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;
use vaultyard_keys::encryption::transit::TransitEncryption;
use vaultyard_model::Secret;
use vaultyard_model::cluster::{EnginePath, Transit, TransitLogin, Web};
use vaultyard_model::port::custody::{CustodyError, KeyEncryption};
use vaultyard_testkit::contract;

use crate::servers::{LONG, program};

const ROOT: &str = "root-of-the-test";

/// The other cluster. It ends when this is dropped.
pub(crate) struct Other {
    folder: TempDir,
    pub(crate) address: String,
    child: Child,
}

impl Other {
    /// Starts it with a transit engine and a key in it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program())
            .args(["server", "-dev", "-dev-tls", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-tls-cert-dir={}", folder.path().display()))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let other = Self { address: format!("https://127.0.0.1:{port}"), folder, child };
        let until = Instant::now() + LONG;
        while other.bao(&["status"]).is_err() {
            assert!(Instant::now() < until, "it does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        other.do_bao(&["secrets", "enable", "transit"]);
        other.do_bao(&["write", "-f", "transit/keys/unseal"]);
        other
    }

    pub(crate) fn authority(&self) -> PathBuf {
        let file = |name: &str| self.folder.path().join(name);
        let names = ["openbao-ca.pem", "vault-ca.pem"];
        names.map(file).into_iter().find(|path| path.exists()).unwrap_or_default()
    }

    fn bao(&self, words: &[&str]) -> Result<String, String> {
        let said = Command::new(program())
            .args(words)
            .env_clear()
            .env("BAO_ADDR", &self.address)
            .env("BAO_TOKEN", ROOT)
            .env("BAO_CACERT", self.authority())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(if said.status.success() {
            &said.stdout
        } else {
            &said.stderr
        });
        if said.status.success() { Ok(text.into_owned()) } else { Err(text.into_owned()) }
    }

    pub(crate) fn do_bao(&self, words: &[&str]) -> String {
        self.bao(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn transit(&self, login: TransitLogin) -> Transit {
        Transit {
            address: Web::new(&self.address).unwrap(),
            mount: EnginePath::new("transit").unwrap(),
            key: EnginePath::new("unseal").unwrap(),
            ca_file: Some(self.authority()),
            login,
        }
    }

    fn with_token(&self, token: &str) -> TransitEncryption {
        let file = self.write("token", &format!("{token}\n"));
        TransitEncryption::new(self.transit(TransitLogin::TokenFile(file))).unwrap()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn data_key() -> Secret {
    Secret::new(vec![7; 32])
}

#[tokio::test]
async fn a_transit_key_keeps_the_contract_of_a_key_encryption() {
    let other = Other::start();
    contract::key_encryption(&other.with_token(ROOT)).await;
}

#[tokio::test]
async fn an_older_version_of_a_transit_key_still_decrypts() {
    let other = Other::start();
    let transit = other.with_token(ROOT);
    let old = transit.wrap_key(&data_key(), b"c").await.unwrap();
    other.do_bao(&["write", "-f", "transit/keys/unseal/rotate"]);
    let new = transit.wrap_key(&data_key(), b"c").await.unwrap();
    assert_eq!(
        (old.key_id.as_str(), new.key_id.as_str()),
        ("transit/transit/unseal/v1", "transit/transit/unseal/v2")
    );
    for wrapped in [&old, &new] {
        assert!(transit.unwrap_key(wrapped, b"c").await.unwrap().same_as(&data_key()));
    }
}

#[tokio::test]
async fn what_passes_at_the_other_cluster_is_retryable_and_what_lasts_is_fatal() {
    let other = Other::start();
    let stranger = other.with_token("s.nobody").wrap_key(&data_key(), b"c").await;
    let Err(CustodyError::Fatal(text)) = stranger else { panic!("{stranger:?}") };
    assert!(text.contains("transit/encrypt/unseal") && !text.contains("s.nobody"), "{text}");

    let transit = other.with_token(ROOT);
    std::fs::remove_file(other.folder.path().join("token")).unwrap();
    assert!(transit.wrap_key(&data_key(), b"c").await.unwrap_err().is_retryable());
    other.write("token", ROOT);
    other.do_bao(&["operator", "seal"]);
    let sealed = transit.wrap_key(&data_key(), b"c").await.unwrap_err();
    assert!(sealed.is_retryable(), "{sealed}");
    drop(other);
    assert!(transit.wrap_key(&data_key(), b"c").await.unwrap_err().is_retryable());
}

/// A token as Kubernetes signs them for service accounts, and what verifies it.
fn service_account() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let account = "system:serviceaccount:vault:vault-unsealer";
    let claims = json!({
        "iss": "test", "sub": account, "aud": "other", "nbf": 1_700_000_000, "exp": 4_000_000_000_u64,
    });
    let signed = format!("{}.{}", part(json!({"alg": "ES256", "typ": "JWT"})), part(claims));
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der());
    let signature = signer.unwrap().sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    (format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)), key.public_key_pem())
}

/// The method `jwt` takes the same request as the method `kubernetes`, which needs an API server.
#[tokio::test]
async fn a_service_account_logs_in_and_logs_in_anew_when_its_token_is_gone() {
    let other = Other::start();
    let (token, public) = service_account();
    let public = format!("jwt_validation_pubkeys={public}");
    let policy = r#"path "transit/+/unseal" { capabilities = ["update"] }"#;
    let policy = other.write("policy.hcl", policy);
    other.do_bao(&["policy", "write", "unseal", policy.to_str().unwrap()]);
    other.do_bao(&["auth", "enable", "jwt"]);
    other.do_bao(&["write", "auth/jwt/config", &public]);
    let role =
        ["role_type=jwt", "user_claim=sub", "bound_audiences=other", "token_policies=unseal"];
    other.do_bao(&[&["write", "auth/jwt/role/unsealer"], role.as_slice()].concat());

    let login = |role| TransitLogin::Kubernetes {
        mount: EnginePath::new("jwt").unwrap(),
        role: EnginePath::new(role).unwrap(),
        token_file: other.write("jwt", &token),
    };
    let transit = TransitEncryption::new(other.transit(login("unsealer"))).unwrap();
    let wrapped = transit.wrap_key(&data_key(), b"c").await.unwrap();
    other.do_bao(&["token", "revoke", "-mode=path", "auth/jwt"]);
    assert!(transit.unwrap_key(&wrapped, b"c").await.unwrap().same_as(&data_key()));

    let stranger = TransitEncryption::new(other.transit(login("no-such-role"))).unwrap();
    let Err(CustodyError::Fatal(text)) = stranger.wrap_key(&data_key(), b"c").await else {
        panic!()
    };
    assert!(text.contains("log in as no-such-role at auth/jwt"), "{text}");
    assert!(text.contains("spec.keys.encryption.transit.auth"), "{text}");
}

#[test]
fn an_authority_that_is_none_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "not PEM").unwrap();
    let transit = |address: &str| Transit {
        address: Web::new(address).unwrap(),
        mount: EnginePath::new("transit").unwrap(),
        key: EnginePath::new("unseal").unwrap(),
        ca_file: Some(file.clone()),
        login: TransitLogin::TokenFile("/nowhere".into()),
    };
    let said = |address| TransitEncryption::new(transit(address)).err().unwrap().to_string();
    assert!(said("https://127.0.0.1:1").contains("holds no certificate"));
    assert!(said("http://127.0.0.1:1").contains("write https"));
}

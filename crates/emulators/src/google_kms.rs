//! A service that speaks as Cloud KMS is documented to (v1, cryptoKeys.encrypt and .decrypt):
//! versions of a key, associated data, checksums that it verifies, and errors in Google's form.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::google::error;
use crate::service::{Service, json};

/// The name of the key.
pub const KEY: &str = "projects/p/locations/europe-west4/keyRings/vault/cryptoKeys/unseal";

/// What the service does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Cipher and plain texts change after their checksum was taken.
    ChangesBytes,
    /// It does not say that it verified what it was sent.
    VerifiesNothing,
    /// It says that another key was used.
    UsesAnotherKey,
}

#[derive(Default)]
struct State {
    versions: Vec<Version>,
    fault: Option<Fault>,
    token: Option<String>,
}

struct Version {
    key: RandomizedNonceKey,
    enabled: bool,
}

/// One key.
pub struct FakeKms {
    state: Arc<Mutex<State>>,
    service: Service,
}

impl FakeKms {
    /// Starts it on this machine.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into()).await
    }

    /// Starts it at an address of this machine that others reach too.
    pub async fn start_at(ip: IpAddr) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let service =
            Service::serve_at(ip, move |request| answer(&shared.lock().unwrap(), &request));
        let kms = Self { state, service: service.await };
        kms.rotate();
        kms
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// A new version is the primary one from now on.
    ///
    /// # Panics
    /// When the machine has no randomness.
    pub fn rotate(&self) {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).unwrap();
        self.state.lock().unwrap().versions.push(Version { key, enabled: true });
    }

    /// The n-th version, from 1, is disabled.
    ///
    /// # Panics
    /// When there is no such version.
    pub fn disable(&self, version: usize) {
        self.state.lock().unwrap().versions[version - 1].enabled = false;
    }

    /// From now on it does this wrong.
    pub fn fail(&self, fault: Fault) {
        self.state.lock().unwrap().fault = Some(fault);
    }

    /// What others have encrypted with the key, who know nothing of associated data: base64.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn encrypted(&self, plain: &str) -> String {
        let body = json!({"plaintext": STANDARD.encode(plain)});
        let answer = encrypt(&self.state.lock().unwrap(), &body).unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["ciphertext"].as_str().unwrap().to_owned()
    }

    /// From now on only this token may use the key.
    pub fn require(&self, token: &str) {
        self.state.lock().unwrap().token = Some(token.to_owned());
    }
}

type Refused = Box<Response<Full<Bytes>>>;

fn answer(state: &State, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let allowed = |token: &String| {
        let shown = request.headers().get("authorization");
        shown.is_some_and(|shown| shown.as_bytes() == format!("Bearer {token}").as_bytes())
    };
    if !state.token.as_ref().is_none_or(allowed) {
        return error(401, "UNAUTHENTICATED", "Request is missing required credential.");
    }
    let verb = request.uri().path().strip_prefix(&format!("/v1/{KEY}:"));
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let done = match (request.method(), verb) {
        (&Method::POST, Some("encrypt")) => encrypt(state, &body),
        (&Method::POST, Some("decrypt")) => decrypt(state, &body),
        _ => Err(Box::new(error(404, "NOT_FOUND", "CryptoKey not found."))),
    };
    done.unwrap_or_else(|refused| *refused)
}

/// The bytes of a field, held against its checksum.
fn bytes(body: &Value, field: &str) -> Result<Vec<u8>, Refused> {
    let bytes = STANDARD.decode(body[field].as_str().unwrap_or_default()).unwrap();
    let sum = body.get(format!("{field}Crc32c"));
    if sum.is_some_and(|sum| sum.as_str() != Some(&crc(&bytes))) {
        let message = format!("The checksum in field {field}_crc32c did not match the data.");
        return Err(Box::new(error(400, "INVALID_ARGUMENT", &message)));
    }
    Ok(bytes)
}

fn crc(bytes: &[u8]) -> String {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes).to_string()
}

fn encoded(state: &State, mut bytes: Vec<u8>) -> String {
    if state.fault == Some(Fault::ChangesBytes) {
        bytes[0] ^= 1;
    }
    STANDARD.encode(bytes)
}

fn encrypt(state: &State, body: &Value) -> Result<Response<Full<Bytes>>, Refused> {
    let mut text = bytes(body, "plaintext")?;
    let aad = bytes(body, "additionalAuthenticatedData")?;
    let number = state.versions.len();
    let version = &state.versions[number - 1];
    let nonce = version.key.seal_in_place_append_tag(Aad::from(aad), &mut text).unwrap();
    let version = u8::try_from(number).unwrap();
    let cipher = [&[version], nonce.as_ref().as_slice(), &text].concat();
    let key = if state.fault == Some(Fault::UsesAnotherKey) { "projects/other" } else { KEY };
    let mut answer = json!({
        "name": format!("{key}/cryptoKeyVersions/{number}"),
        "ciphertextCrc32c": crc(&cipher),
        "ciphertext": encoded(state, cipher),
        "protectionLevel": "SOFTWARE",
    });
    if state.fault != Some(Fault::VerifiesNothing) {
        answer["verifiedPlaintextCrc32c"] = body.get("plaintextCrc32c").is_some().into();
        answer["verifiedAdditionalAuthenticatedDataCrc32c"] =
            body.get("additionalAuthenticatedDataCrc32c").is_some().into();
    }
    Ok(json(200, &answer))
}

fn decrypt(state: &State, body: &Value) -> Result<Response<Full<Bytes>>, Refused> {
    let invalid = || {
        Box::new(error(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid."))
    };
    let cipher = bytes(body, "ciphertext")?;
    let aad = bytes(body, "additionalAuthenticatedData")?;
    let [number, rest @ ..] = cipher.as_slice() else { return Err(invalid()) };
    let (nonce, text) = rest.split_at_checked(12).ok_or_else(invalid)?;
    let index = usize::from(*number).checked_sub(1).ok_or_else(invalid)?;
    let version = state.versions.get(index).ok_or_else(invalid)?;
    if !version.enabled {
        let message = format!("{KEY}/cryptoKeyVersions/{number} is not enabled.");
        return Err(Box::new(error(400, "FAILED_PRECONDITION", &message)));
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let mut text = text.to_vec();
    let opened = version.key.open_in_place(nonce, Aad::from(aad), &mut text);
    let plain = opened.map_err(|_| invalid())?.to_vec();
    let answer = json!({
        "plaintextCrc32c": crc(&plain),
        "plaintext": encoded(state, plain),
        "usedPrimary": index + 1 == state.versions.len(),
        "protectionLevel": "SOFTWARE",
    });
    Ok(json(200, &answer))
}

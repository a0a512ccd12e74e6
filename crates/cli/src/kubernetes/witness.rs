//! What unsealers tell each other: when the present keys last unsealed a server. Only with such a proof
//! from another server may one be wiped whose data the keys do not open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use rustls::ClientConfig;
use tokio::time::sleep;
use vaultyard_keys::last_unsealed::{UnsealLog, Unsealing};
use vaultyard_model::ServerName;

use super::inner_door;

/// Between two rounds of questions.
const EVERY: Duration = Duration::from_secs(5);
/// An unsealer answers from a small file.
const ANSWER: Duration = Duration::from_secs(2);
/// The path of the question.
pub(crate) const QUESTION: &str = "/last-unsealed";

/// The answer: what the log holds of the server itself, as JSON.
pub(crate) fn answer(log: &UnsealLog, server: &ServerName) -> Vec<u8> {
    let own = log.unsealings().remove(server.as_str());
    serde_json::to_vec(&own).unwrap_or_default()
}

/// Asks the others for ever, and keeps what they say of themselves beside the own log.
pub(crate) async fn ask(
    others: BTreeMap<ServerName, String>,
    tls: Arc<ClientConfig>,
    log: UnsealLog,
) {
    loop {
        for (server, host) in &others {
            let asked = inner_door::ask(host, &tls, Method::GET, QUESTION, ANSWER).await;
            let Ok((StatusCode::OK, bytes)) = asked else { continue };
            let told: Option<Unsealing> = serde_json::from_slice(&bytes).unwrap_or_default();
            let Some(told) = told else { continue };
            if log.unsealings().get(server.as_str()) != Some(&told)
                && let Err(error) = log.keep(told, server)
            {
                tracing::warn!("the log of unsealings cannot be written: {error}");
            }
        }
        sleep(EVERY).await;
    }
}

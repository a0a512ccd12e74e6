//! Tokens of service accounts, made when they are needed (`TokenRequest`).

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use vaultyard_model::Secret;

use crate::client::Api;
use crate::error::{ApiError, Reason};
use crate::kind::SERVICE_ACCOUNT;
use crate::object::call;
use crate::reference::Reference;

/// The shortest life that Kubernetes gives a token.
pub const SHORTEST: Duration = Duration::from_secs(600);

/// A token of a service account.
pub struct AccountToken {
    /// The token, a JSON Web Token.
    pub token: Secret,
    /// Until when it is accepted; the API server may give another time than was asked for.
    pub until: Timestamp,
}

impl Api {
    /// Asks for a token of a service account, which lives as long as the account does and
    /// at most `lifetime`. It is meant for `audience`, and nobody else accepts it; without one, for
    /// the API server itself.
    ///
    /// # Errors
    /// [`ApiError`]; [`Reason::NotFound`] when there is no such account.
    pub async fn request_token(
        &self,
        namespace: &str,
        account: &str,
        audience: Option<&str>,
        lifetime: Duration,
    ) -> Result<AccountToken, ApiError> {
        let object = Reference::within(SERVICE_ACCOUNT, namespace, account);
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": audience.into_iter().collect::<Vec<_>>(),
                "expirationSeconds": lifetime.as_secs(),
            },
        });
        let body = Some(("application/json", &request));
        let call = call("ask for a token of", &object, Method::POST, "/token", body);
        let act = call.act.clone();
        let answer = self.call(call).await?.body;
        token(answer).ok_or_else(|| {
            let reason = Reason::Strange { what: "it holds no token".to_owned() };
            ApiError { act, reason }
        })
    }
}

fn token(mut answer: Value) -> Option<AccountToken> {
    let until = answer["status"]["expirationTimestamp"].as_str()?.parse().ok()?;
    match answer["status"]["token"].take() {
        Value::String(token) => Some(AccountToken { token: Secret::from(token), until }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_token_or_end_is_none() {
        let answer = |status: Value| token(json!({"status": status}));
        let end = "2026-11-28T12:00:00Z";
        let made = answer(json!({"token": "a.b.c", "expirationTimestamp": end})).unwrap();
        assert_eq!(made.token.expose_text(), Some("a.b.c"));
        assert_eq!(made.until.to_string(), end);
        assert!(answer(json!({"token": "a.b.c"})).is_none());
        assert!(answer(json!({"expirationTimestamp": end})).is_none());
    }
}

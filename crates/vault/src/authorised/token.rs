//! Tokens and their accessors.

use serde::{Deserialize, Serialize};
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

/// What a lookup tells of a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenSeen {
    /// Finds the token without being it.
    pub accessor: String,
    /// Its policies.
    pub policies: Vec<String>,
}

impl TokenSeen {
    /// Whether the token may do everything.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }
}

#[derive(Serialize)]
struct AccessorBody<'a> {
    accessor: &'a str,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

impl Authorised<'_> {
    /// `auth/token/lookup-self`.
    ///
    /// # Errors
    /// [`CallError`]; 403 when the token is not one, or not any more.
    pub async fn look_up_self(&self) -> Result<TokenSeen, CallError> {
        self.ask(Call::get("auth/token/lookup-self")).await?.data()
    }

    /// `auth/token/revoke-self`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn revoke_self(&self) -> Result<(), CallError> {
        self.ask(Call::put("auth/token/revoke-self")).await.map(drop)
    }

    /// `auth/token/lookup-accessor`; `None` when no token has this accessor (any more).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn look_up_accessor(&self, accessor: &str) -> Result<Option<TokenSeen>, CallError> {
        let call = Call::put("auth/token/lookup-accessor").json(&AccessorBody { accessor })?;
        match self.ask(call).await {
            Ok(answer) => answer.data().map(Some),
            Err(error) if names_no_token(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `auth/token/revoke-accessor`. Nothing happens when no token has this accessor.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn revoke_accessor(&self, accessor: &str) -> Result<(), CallError> {
        let call = Call::put("auth/token/revoke-accessor").json(&AccessorBody { accessor })?;
        match self.ask(call).await {
            Err(error) if names_no_token(&error) => Ok(()),
            other => other.map(drop),
        }
    }

    /// All accessors.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn accessors(&self) -> Result<Vec<String>, CallError> {
        let answer = self.ask(Call::get("auth/token/accessors?list=true")).await?;
        answer.data::<Keys>().map(|data| data.keys)
    }
}

/// OpenBao and Vault say 400 or 403 `invalid accessor` for an accessor that has no token.
fn names_no_token(error: &CallError) -> bool {
    match error {
        CallError::Refused { errors, .. } => errors.iter().any(|e| e.contains("invalid accessor")),
        _ => false,
    }
}

//! Secret engines and login methods that are mounted.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

#[derive(Serialize)]
struct Enable<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options<'a>>,
}

#[derive(Serialize)]
struct Options<'a> {
    version: &'a str,
}

impl Authorised<'_> {
    /// The paths of all secret engines, without the final slash.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn mounts(&self) -> Result<BTreeSet<String>, CallError> {
        self.paths("sys/mounts").await
    }

    /// The kinds of all secret engines: `kv`, `database` and so on.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn mount_kinds(&self) -> Result<BTreeSet<String>, CallError> {
        let data: serde_json::Map<String, Value> =
            self.ask(Call::get("sys/mounts")).await?.data()?;
        Ok(data.values().filter_map(|mount| mount["type"].as_str().map(str::to_owned)).collect())
    }

    /// The paths of all login methods, without the final slash.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn login_methods(&self) -> Result<BTreeSet<String>, CallError> {
        self.paths("sys/auth").await
    }

    pub(super) async fn paths(&self, path: &str) -> Result<BTreeSet<String>, CallError> {
        let data: serde_json::Map<String, Value> = self.ask(Call::get(path)).await?.data()?;
        Ok(data.keys().map(|path| path.trim_end_matches('/').to_owned()).collect())
    }

    /// Mounts a KV version 2 secret engine.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the path is in use.
    pub async fn mount_kv(&self, path: &str) -> Result<(), CallError> {
        let body = Enable { r#type: "kv", options: Some(Options { version: "2" }) };
        self.ask(Call::put(format!("sys/mounts/{path}")).json(&body)?).await.map(drop)
    }

    /// Mounts a login method of this kind at a path.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the path is in use.
    pub async fn enable_login(&self, kind: &str, path: &str) -> Result<(), CallError> {
        let body = Enable { r#type: kind, options: None };
        self.ask(Call::put(format!("sys/auth/{path}")).json(&body)?).await.map(drop)
    }
}

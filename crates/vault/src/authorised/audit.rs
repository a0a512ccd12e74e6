//! Audit devices, where they are made by the API.

use std::collections::BTreeSet;

use serde::Serialize;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

#[derive(Serialize)]
struct Enable<'a> {
    r#type: &'a str,
    description: &'a str,
    options: Options<'a>,
}

#[derive(Serialize)]
struct Options<'a> {
    file_path: &'a str,
    mode: &'a str,
}

impl Authorised<'_> {
    /// The paths of all audit devices, without the final slash.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn audit_devices(&self) -> Result<BTreeSet<String>, CallError> {
        self.paths("sys/audit").await
    }

    /// Has every server write its requests into this file, relative to its working directory, for its own
    /// user alone.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the path is in use, or the file cannot be written.
    pub async fn enable_audit_file(&self, path: &str, file: &str) -> Result<(), CallError> {
        let options = Options { file_path: file, mode: "0600" };
        let body = Enable { r#type: "file", description: "Made by Vaultyard.", options };
        self.ask(Call::put(format!("sys/audit/{path}")).json(&body)?).await.map(drop)
    }
}

//! Secrets of a KV version 2 mount.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::{Call, DEADLINE};

#[derive(Serialize)]
struct WriteBody<'a> {
    data: &'a BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ReadBody {
    data: BTreeMap<String, String>,
}

impl Authorised<'_> {
    /// Writes a new version of a secret of plain texts.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn write_kv(
        &self,
        mount: &str,
        path: &str,
        data: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let call = Call::put(format!("{mount}/data/{path}")).json(&WriteBody { data })?;
        self.ask(call).await.map(drop)
    }

    /// Reads the newest version of a secret of plain texts; `None` when there is none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn read_kv(
        &self,
        mount: &str,
        path: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let path = format!("{mount}/data/{path}");
        match self.read(&path, DEADLINE, false).await {
            Ok(data) => Ok(Some(data)),
            Err(CallError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a secret at this very server, within `deadline`: shows that its store works, not
    /// only its health.
    ///
    /// # Errors
    /// [`CallError`]; `NoAnswer` is what a server gives that hangs.
    pub async fn probe_kv(
        &self,
        mount: &str,
        path: &str,
        deadline: Duration,
    ) -> Result<(), CallError> {
        self.read(&format!("{mount}/data/{path}"), deadline, true).await.map(drop)
    }

    async fn read(
        &self,
        path: &str,
        deadline: Duration,
        only_here: bool,
    ) -> Result<BTreeMap<String, String>, CallError> {
        let mut call = Call::get(path).within(deadline);
        call.only_here = only_here;
        self.ask(call).await?.data::<ReadBody>().map(|body| body.data)
    }
}

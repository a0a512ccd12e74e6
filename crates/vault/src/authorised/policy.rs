//! Policies.

use serde::Serialize;
use vaultyard_model::port::server::CallError;

use super::Authorised;
use crate::call::Call;

#[derive(Serialize)]
struct PolicyBody<'a> {
    policy: &'a str,
}

impl Authorised<'_> {
    /// Writes a policy, in the server's own language.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the text is not a policy.
    pub async fn write_policy(&self, name: &str, text: &str) -> Result<(), CallError> {
        let call =
            Call::put(format!("sys/policies/acl/{name}")).json(&PolicyBody { policy: text })?;
        self.ask(call).await.map(drop)
    }
}

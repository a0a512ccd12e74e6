//! Logging in: with the client certificate that the connection shows, or with the token of a service
//! account.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;

use crate::Client;
use crate::call::Call;
use crate::json::{Exposed, Hidden};

/// A token, fresh from a login.
pub struct Login {
    /// The token.
    pub token: Secret,
    /// How long the token lives from now on.
    pub lease: Duration,
}

#[derive(Serialize)]
struct LoginBody<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct RoleBody<'a> {
    role: &'a str,
    jwt: Exposed<'a>,
}

#[derive(Deserialize)]
struct Answered {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: Hidden,
    lease_duration: u64,
}

impl Client {
    /// `PUT auth/cert/login` for the role `role`. A standby passes it on to the leader. The server
    /// sees the certificate of the connection's handshake, so a login begins with a new connection
    /// and shows the one that is valid now.
    ///
    /// # Errors
    /// [`CallError`]; 400 when the certificate is not one that the role accepts.
    pub async fn log_in(&self, role: &str, deadline: Duration) -> Result<Login, CallError> {
        self.hang_up().await;
        let call =
            Call::put("auth/cert/login").within(deadline).anew().json(&LoginBody { name: role })?;
        let Answered { auth } = self.ask(call).await?.json()?;
        Ok(Login { token: auth.client_token.0, lease: Duration::from_secs(auth.lease_duration) })
    }

    /// `PUT auth/MOUNT/login` for the role `role`, with a token that Kubernetes signed for a service
    /// account.
    ///
    /// # Errors
    /// [`CallError`]; 400 or 403 when the token is not one that the role accepts.
    pub async fn log_in_as_service_account(
        &self,
        mount: &str,
        role: &str,
        token: &Secret,
        deadline: Duration,
    ) -> Result<Login, CallError> {
        let body = RoleBody { role, jwt: Exposed(token) };
        let call = Call::put(format!("auth/{mount}/login")).within(deadline).json(&body)?;
        let Answered { auth } = self.ask(call).await?.json()?;
        Ok(Login { token: auth.client_token.0, lease: Duration::from_secs(auth.lease_duration) })
    }
}

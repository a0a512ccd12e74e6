//! The way back in: a root token made from the unseal shares. Works only where the listener
//! allows it, which is the server's own unix socket.

use http::Method;
use serde::{Deserialize, Serialize};
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;

use crate::Client;
use crate::call::Call;
use crate::json::{Exposed, Hidden};

const ATTEMPT: &str = "sys/generate-root/attempt";
const UPDATE: &str = "sys/generate-root/update";

/// A begun attempt.
pub struct RootAttempt {
    /// Names the attempt.
    pub nonce: String,
    /// What the finished token is XORed with; shown only here.
    pub otp: Secret,
    /// How many shares are needed.
    pub required: u8,
}

/// What one share brought.
pub enum RootProgress {
    /// More are needed.
    Waiting,
    /// The token, base64 without padding, XORed with the attempt's otp.
    Complete(Secret),
}

#[derive(Deserialize)]
struct AttemptBody {
    nonce: String,
    otp: Hidden,
    required: u8,
}

#[derive(Serialize)]
struct UpdateBody<'a> {
    key: Exposed<'a>,
    nonce: &'a str,
}

#[derive(Deserialize)]
struct ProgressBody {
    complete: bool,
    #[serde(default)]
    encoded_token: Option<Hidden>,
}

impl Client {
    /// Begins an attempt.
    ///
    /// # Errors
    /// [`CallError`]; 400 while another attempt runs, 503 while the server is sealed.
    pub async fn begin_root(&self) -> Result<RootAttempt, CallError> {
        let call = Call::put(ATTEMPT).json(&serde_json::json!({}))?;
        let body: AttemptBody = self.ask(call).await?.json()?;
        Ok(RootAttempt { nonce: body.nonce, otp: body.otp.0, required: body.required })
    }

    /// Gives one share to an attempt.
    ///
    /// # Errors
    /// [`CallError`]; 400 at the last share when one of them was wrong.
    pub async fn continue_root(
        &self,
        attempt: &RootAttempt,
        share: &Secret,
    ) -> Result<RootProgress, CallError> {
        let body = UpdateBody { key: Exposed(share), nonce: &attempt.nonce };
        let body: ProgressBody = self.ask(Call::put(UPDATE).json(&body)?).await?.json()?;
        match (body.complete, body.encoded_token) {
            (false, _) => Ok(RootProgress::Waiting),
            (true, Some(token)) => Ok(RootProgress::Complete(token.0)),
            (true, None) => Err(CallError::Malformed("a finished attempt without token".into())),
        }
    }

    /// Forgets the attempt that runs, when one does.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cancel_root(&self) -> Result<(), CallError> {
        self.ask(Call::new(Method::DELETE, ATTEMPT)).await.map(drop)
    }
}

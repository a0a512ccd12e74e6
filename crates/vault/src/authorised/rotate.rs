//! New shares for old ones: `sys/rotate/root`, or `sys/rotate/recovery` where servers have a seal of
//! their own. OpenBao has both since 2.4 (its API documentation, "/sys/rotate"). Vault has `sys/rekey` and
//! `sys/rekey-recovery-key`, which say the same without `data` around it.

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vaultyard_model::Secret;
use vaultyard_model::port::server::{CallError, KeyKind};

use super::Authorised;
use crate::call::Call;
use crate::json::{Exposed, Hidden};

/// A rotation that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rotation {
    /// Names it.
    pub nonce: String,
    /// How many of the old shares it takes.
    pub required: u8,
}

/// What one of the old shares brought.
pub enum RotationProgress {
    /// More are needed.
    Waiting,
    /// The new shares. They count once they have been given back.
    Complete(NewShares),
}

/// Shares that count only once the server has got enough of them back.
pub struct NewShares {
    /// All of them, base64.
    pub shares: Vec<Secret>,
    /// Names the way back.
    pub verification: String,
}

#[derive(Serialize)]
struct BeginBody {
    secret_shares: u8,
    secret_threshold: u8,
    require_verification: bool,
}

#[derive(Serialize)]
struct ShareBody<'a> {
    key: Exposed<'a>,
    nonce: &'a str,
}

#[derive(Deserialize)]
struct UpdateData {
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    keys_base64: Vec<Hidden>,
    #[serde(default)]
    verification_nonce: String,
}

#[derive(Serialize, Deserialize)]
struct Running {
    #[serde(default)]
    nonce: String,
}

#[derive(Deserialize)]
struct VerifyData {
    #[serde(default)]
    complete: bool,
}

impl Authorised<'_> {
    fn rotation(&self, kind: KeyKind, what: &str) -> String {
        let place = match (self.client.software().rotates_shares(), kind) {
            (true, KeyKind::Unseal) => "rotate/root",
            (true, KeyKind::Recovery) => "rotate/recovery",
            (false, KeyKind::Unseal) => "rekey",
            (false, KeyKind::Recovery) => "rekey-recovery-key",
        };
        format!("sys/{place}/{what}")
    }

    async fn rotate<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let answer = self.ask(call).await?;
        if self.client.software().rotates_shares() { answer.data() } else { answer.json() }
    }

    /// Begins one whose new shares are to be given back before they count.
    ///
    /// # Errors
    /// [`CallError`]; 400 while another one runs.
    pub async fn begin_rotation(
        &self,
        kind: KeyKind,
        shares: u8,
        threshold: u8,
    ) -> Result<Rotation, CallError> {
        let body = BeginBody {
            secret_shares: shares,
            secret_threshold: threshold,
            require_verification: true,
        };
        self.rotate(Call::put(self.rotation(kind, "init")).json(&body)?).await
    }

    /// Gives one of the old shares.
    ///
    /// # Errors
    /// [`CallError`]; 400 at the last share when one of them was wrong.
    pub async fn continue_rotation(
        &self,
        kind: KeyKind,
        rotation: &Rotation,
        share: &Secret,
    ) -> Result<RotationProgress, CallError> {
        let body = ShareBody { key: Exposed(share), nonce: &rotation.nonce };
        let call = Call::put(self.rotation(kind, "update")).json(&body)?;
        let data: UpdateData = self.rotate(call).await?;
        if !data.complete {
            return Ok(RotationProgress::Waiting);
        }
        if data.keys_base64.is_empty() || data.verification_nonce.is_empty() {
            let what = "a finished rotation without shares that are to be given back";
            return Err(CallError::Malformed(what.into()));
        }
        Ok(RotationProgress::Complete(NewShares {
            shares: data.keys_base64.into_iter().map(|share| share.0).collect(),
            verification: data.verification_nonce,
        }))
    }

    /// Gives one of the new shares back; whether these count from now on, and the old ones no more.
    ///
    /// # Errors
    /// [`CallError`]; 400 at the last share when one of them was wrong.
    pub async fn verify_rotation(
        &self,
        kind: KeyKind,
        verification: &str,
        share: &Secret,
    ) -> Result<bool, CallError> {
        let body = ShareBody { key: Exposed(share), nonce: verification };
        let call = Call::put(self.rotation(kind, "verify")).json(&body)?;
        let data: VerifyData = self.rotate(call).await?;
        Ok(data.complete)
    }

    /// Forgets the rotation that runs, when one does; new shares that were not given back never count.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cancel_rotation(&self, kind: KeyKind) -> Result<(), CallError> {
        let mut call = Call::new(Method::DELETE, self.rotation(kind, "init"));
        if !self.client.software().rotates_shares() {
            // Vault 1.21 wants to hear which one, and tells everybody.
            let running: Running = self.rotate(Call::get(self.rotation(kind, "init"))).await?;
            call = call.json(&running)?;
        }
        self.ask(call).await.map(drop)
    }
}

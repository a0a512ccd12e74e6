//! New shares for old ones: `sys/rotate/root`, or `sys/rotate/recovery` where servers have a seal of
//! their own. OpenBao has both since 2.4 (its API documentation, "/sys/rotate").

use http::Method;
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

#[derive(Deserialize)]
struct VerifyData {
    #[serde(default)]
    complete: bool,
}

fn path(kind: KeyKind, what: &str) -> String {
    let keys = match kind {
        KeyKind::Unseal => "root",
        KeyKind::Recovery => "recovery",
    };
    format!("sys/rotate/{keys}/{what}")
}

impl Authorised<'_> {
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
        self.ask(Call::put(path(kind, "init")).json(&body)?).await?.data()
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
        let answer = self.ask(Call::put(path(kind, "update")).json(&body)?).await?;
        let data: UpdateData = answer.data()?;
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
        let answer = self.ask(Call::put(path(kind, "verify")).json(&body)?).await?;
        let data: VerifyData = answer.data()?;
        Ok(data.complete)
    }

    /// Forgets the rotation that runs, when one does; new shares that were not given back never count.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cancel_rotation(&self, kind: KeyKind) -> Result<(), CallError> {
        self.ask(Call::new(Method::DELETE, path(kind, "init"))).await.map(drop)
    }
}

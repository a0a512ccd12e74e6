//! The way back in when logins are lost: a root token from the stored shares, over the server's
//! own unix socket.
//!
//! A root token that was made is kept on record until it is revoked, and so is an attempt whose
//! end is not known: its token may live without anybody having it.

pub mod record;

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;
use vaultyard_vault::{Client, RootAttempt, RootProgress};

use self::record::RootRecord;
use crate::envelope::Keys;

/// A new root token.
pub struct GeneratedRoot {
    /// The token. It lives until it is revoked.
    pub token: Secret,
    /// Finds the token without being it.
    pub accessor: String,
}

/// Why there is no root token.
#[derive(Debug, thiserror::Error)]
pub enum GenerateRootError {
    /// The server did not do it.
    #[error("{doing}: the server {error}")]
    Call {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        error: CallError,
    },
    /// The server needs more shares than there are.
    #[error(
        "the server needs {needed} shares, and {there} are stored; the keys are not this server's"
    )]
    TooFew {
        /// How many it needs.
        needed: u8,
        /// How many there are.
        there: usize,
    },
    /// The server's answer does not hold a token.
    #[error("the server's answer does not hold a token; a root token that nobody has may live")]
    NotAToken,
    /// What was begun cannot be kept on record, so it was not begun.
    #[error("the record of root tokens cannot be written: {0}")]
    Record(#[from] io::Error),
}

fn failed(doing: &'static str) -> impl Fn(CallError) -> GenerateRootError {
    move |error| GenerateRootError::Call { doing, error }
}

/// Makes a root token. An attempt that somebody has abandoned is cancelled first.
///
/// # Errors
/// [`GenerateRootError`]. What may live all the same stands in the record.
pub async fn generate_root(
    socket: &Client,
    keys: &Keys,
    record: &RootRecord,
    now: Timestamp,
) -> Result<GeneratedRoot, GenerateRootError> {
    socket.cancel_root().await.map_err(failed("cancelling an attempt before"))?;
    let begun = record.begin(now)?;
    let (attempt, encoded) = match attempt(socket, keys).await {
        Ok(ended) => ended,
        Err(error) => {
            if leaves_no_token(&error) {
                record.abandon(begun)?;
            }
            return Err(error);
        }
    };
    let token = decode(&encoded, &attempt.otp).ok_or(GenerateRootError::NotAToken)?;
    match socket.with_token(&token).look_up_self().await {
        Ok(seen) => {
            record.made(begun, &seen.accessor, now)?;
            Ok(GeneratedRoot { token, accessor: seen.accessor })
        }
        Err(error) => {
            // Nobody would know of it any more. Where this fails, the record says that it may live.
            socket.with_token(&token).revoke_self().await.ok();
            Err(failed("looking up the new token")(error))
        }
    }
}

async fn attempt(socket: &Client, keys: &Keys) -> Result<(RootAttempt, Secret), GenerateRootError> {
    let attempt = socket.begin_root().await.map_err(failed("beginning"))?;
    let encoded = give_shares(socket, keys, &attempt).await?;
    Ok((attempt, encoded))
}

/// Whether the attempt has certainly made no token: it was not reached, or refused.
fn leaves_no_token(error: &GenerateRootError) -> bool {
    match error {
        GenerateRootError::Call { error, .. } => matches!(
            error,
            CallError::Unreachable(_) | CallError::Refused { status: 400..=499, .. }
        ),
        GenerateRootError::TooFew { .. } => true,
        _ => false,
    }
}

async fn give_shares(
    socket: &Client,
    keys: &Keys,
    attempt: &RootAttempt,
) -> Result<Secret, GenerateRootError> {
    for share in keys.shares.iter().take(usize::from(attempt.required)) {
        let progress = socket.continue_root(attempt, share).await;
        if let RootProgress::Complete(token) = progress.map_err(failed("giving a share"))? {
            return Ok(token);
        }
    }
    Err(GenerateRootError::TooFew { needed: attempt.required, there: keys.shares.len() })
}

/// The token is the decoded answer XORed with the one-time pad of the same length.
fn decode(encoded: &Secret, otp: &Secret) -> Option<Secret> {
    let mut token = STANDARD_NO_PAD.decode(encoded.expose()).ok()?;
    if token.len() != otp.expose().len() {
        return None;
    }
    for (byte, pad) in token.iter_mut().zip(otp.expose()) {
        *byte ^= pad;
    }
    Some(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_decoded_with_its_one_time_pad() {
        let secret = |text: &str| Secret::from(text.to_owned());
        let pad = "abcdefgh";
        let xored: Vec<u8> = "s.tokens".bytes().zip(pad.bytes()).map(|(a, b)| a ^ b).collect();
        let encoded = secret(&STANDARD_NO_PAD.encode(xored));
        assert!(decode(&encoded, &secret(pad)).is_some_and(|t| t.same_as(&secret("s.tokens"))));
        assert!(decode(&encoded, &secret("short")).is_none());
        assert!(decode(&secret("not base64!"), &secret(pad)).is_none());
    }
}

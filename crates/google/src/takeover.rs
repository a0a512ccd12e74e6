//! The keys that vault-init left: the server's answer to `sys/init` and the root token, each encrypted
//! by a key of Cloud KMS and written as base64 into an object at the top of a bucket.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use vaultyard_model::Secret;
use vaultyard_model::port::custody::CustodyError;

use crate::hidden::Hidden;
use crate::{GoogleKms, GoogleStorage};

const KEYS: &str = "unseal-keys.json.enc";
const ROOT_TOKEN: &str = "root-token.enc";

/// What is taken over, and from where.
pub struct Takeover<'a> {
    /// The bucket. Its folder does not matter.
    pub storage: &'a GoogleStorage,
    /// The key that vault-init used.
    pub kms: &'a GoogleKms,
}

/// The keys of a cluster that vault-init initialised, in memory only.
pub struct LeftKeys {
    /// The shares, base64.
    pub shares: Vec<Secret>,
    /// The first root token. It may have been revoked since.
    pub root_token: Secret,
}

/// Why nothing can be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// One of the two services does not do its part.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// One of the two objects is missing.
    #[error("there is {there} and no {missing} in the bucket; bring the other one back first")]
    Half {
        /// The object that is there.
        there: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// An object is not what vault-init writes.
    #[error("{object} is not what vault-init writes: {what}")]
    Other {
        /// The object.
        object: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The two objects belong to different clusters.
    #[error("{KEYS} and {ROOT_TOKEN} hold different root tokens; find out which of them is old")]
    Different,
}

/// The answer to `sys/init`, whose shares vault-init sent back as they stand in `keys_base64`.
#[derive(Deserialize)]
struct Initialised {
    keys_base64: Vec<Hidden>,
    root_token: Hidden,
}

impl Takeover<'_> {
    /// The keys; `None` when vault-init left none.
    ///
    /// # Errors
    /// [`TakeoverError`].
    pub async fn read(&self) -> Result<Option<LeftKeys>, TakeoverError> {
        let (keys, token) = (self.open(KEYS).await?, self.open(ROOT_TOKEN).await?);
        let (keys, token) = match (keys, token) {
            (None, None) => return Ok(None),
            (Some(keys), Some(token)) => (keys, token),
            (Some(_), None) => {
                return Err(TakeoverError::Half { there: KEYS, missing: ROOT_TOKEN });
            }
            (None, Some(_)) => {
                return Err(TakeoverError::Half { there: ROOT_TOKEN, missing: KEYS });
            }
        };
        let other = |what| TakeoverError::Other { object: KEYS, what };
        let answer: Initialised = serde_json::from_slice(keys.expose())
            .map_err(|_| other("it does not hold an answer to sys/init"))?;
        let shares: Vec<Secret> = answer.keys_base64.into_iter().map(secret).collect();
        if shares.is_empty() {
            return Err(other("it holds no shares, only those of a seal that opens itself"));
        }
        let root_token = secret(answer.root_token);
        if !root_token.same_as(&token) {
            return Err(TakeoverError::Different);
        }
        Ok(Some(LeftKeys { shares, root_token }))
    }

    async fn open(&self, object: &'static str) -> Result<Option<Secret>, TakeoverError> {
        let Some(found) = self.storage.read_place(object).await? else { return Ok(None) };
        let encrypted = STANDARD
            .decode(found.bytes.trim_ascii())
            .map_err(|_| TakeoverError::Other { object, what: "it is not base64" })?;
        Ok(Some(self.kms.decrypt(&encrypted, &[]).await?))
    }
}

fn secret(Hidden(mut text): Hidden) -> Secret {
    Secret::from(std::mem::take(&mut *text))
}

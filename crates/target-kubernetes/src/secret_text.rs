//! One small text that is made once and kept for ever: the key-encryption key.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use vaultyard_model::Secret;
use vaultyard_model::port::clock::Random;
use vaultyard_model::port::custody::{CustodyError, KeyText};
use zeroize::Zeroizing;

use crate::client::Api;
use crate::error::ApiError;
use crate::reference::Reference;
use crate::secret::{Data, New, new_manager, take_data};
use crate::secret_store::custody;

/// The key of the text.
const TEXT: &str = "text";

/// An immutable Secret that holds one text.
pub struct SecretText {
    api: Api,
    object: Reference,
    labels: BTreeMap<String, String>,
    random: Arc<dyn Random>,
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The Secret is there, and what it should hold is not.
    #[error(
        "{object} has no value {TEXT}; restore it from a backup. A new one is never made in its place"
    )]
    Damaged {
        /// The Secret.
        object: String,
    },
    /// It was created, and is not there.
    #[error("{object} was deleted in the moment in which it was created; find out by whom")]
    Vanished {
        /// The Secret.
        object: String,
    },
    /// No text could be made.
    #[error("no randomness: {0}")]
    Random(String),
    /// Anything else.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<TextError> for CustodyError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Api(error) => custody(error),
            TextError::Random(why) => Self::Retryable(why),
            TextError::Damaged { .. } | TextError::Vanished { .. } => {
                Self::Fatal(error.to_string())
            }
        }
    }
}

#[async_trait]
impl KeyText for SecretText {
    fn location(&self) -> String {
        self.object.to_string()
    }

    async fn read(&self) -> Result<Option<Secret>, CustodyError> {
        Ok(self.text().await?.map(Secret::from))
    }
}

impl SecretText {
    /// The text in the Secret `object`, which is made with these labels.
    pub fn new(
        api: Api,
        object: Reference,
        labels: BTreeMap<String, String>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { api, object, labels, random }
    }

    /// The text; `None` when there is none.
    ///
    /// # Errors
    /// [`TextError`].
    pub async fn text(&self) -> Result<Option<Zeroizing<Vec<u8>>>, TextError> {
        let Some(mut secret) = self.api.get(&self.object).await? else { return Ok(None) };
        match take_data(&mut secret).remove(TEXT) {
            Some(text) => Ok(Some(text)),
            None => Err(TextError::Damaged { object: self.location() }),
        }
    }

    /// The text, made now when there is none. When somebody else is faster, his text is the one. The
    /// caller has made sure that nothing is lost by a new one.
    ///
    /// # Errors
    /// [`TextError`].
    pub async fn open_or_create(
        &self,
        text: impl FnOnce() -> Result<Zeroizing<String>, String>,
    ) -> Result<Zeroizing<Vec<u8>>, TextError> {
        if let Some(text) = self.text().await? {
            return Ok(text);
        }
        let text = Zeroizing::new(text().map_err(TextError::Random)?.as_bytes().to_vec());
        let data = Data::from([(TEXT.to_owned(), text)]);
        let new = New { labels: &self.labels, kind: "Opaque", immutable: true, data: &data };
        let manager = new_manager(&*self.random).map_err(TextError::Random)?;
        self.api.create_secret(&self.object, &new, &manager).await?;
        // What counts is what the API server gives back.
        let kept = self.text().await?;
        kept.ok_or_else(|| TextError::Vanished { object: self.location() })
    }
}

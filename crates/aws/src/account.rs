//! Who we are to AWS.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredential, AwsCredentialProvider};
use object_store::{ClientOptions, RetryConfig, StaticCredentialProvider};
use vaultyard_model::cluster::AwsRegion;
use vaultyard_model::port::custody::CustodyError;
use vaultyard_model::{Secret, chain};

/// For connecting, TLS included.
const CONNECTING: Duration = Duration::from_secs(5);
/// For a whole call. The objects are small; who waits longer asks again.
const DEADLINE: Duration = Duration::from_secs(15);

/// An account. Its credentials are had, and had anew, by the library.
#[derive(Clone)]
pub struct Account(AwsCredentialProvider);

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
#[error("the credentials of AWS cannot be used: {0}")]
pub struct NoAccount(String);

impl Account {
    /// The account that the platform gives to this process: `AWS_ACCESS_KEY_ID` with
    /// `AWS_SECRET_ACCESS_KEY`, web identity (`AWS_WEB_IDENTITY_TOKEN_FILE`), the credentials of a
    /// container or pod, else the machine's role. Profiles of the command line tool are not read.
    ///
    /// # Errors
    /// [`NoAccount`] when only a half of them is there. That the platform has none is found out by
    /// the first call.
    pub fn ambient(region: &AwsRegion) -> Result<Self, NoAccount> {
        // The library makes credentials only together with a bucket. Nothing is sent to this one.
        let built = AmazonS3Builder::from_env()
            .with_bucket_name("unused")
            .with_region(region.as_str())
            .with_client_options(client_options())
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build();
        let store = built.map_err(|error| NoAccount(chain(&error)))?;
        Ok(Self(store.credentials().clone()))
    }

    /// A key that does not change.
    pub fn of_key(id: &str, secret: &Secret) -> Option<Self> {
        let secret_key = secret.expose_text()?.to_owned();
        let credential = AwsCredential { key_id: id.to_owned(), secret_key, token: None };
        Some(Self(Arc::new(StaticCredentialProvider::new(credential))))
    }

    pub(crate) async fn credential(&self) -> Result<Arc<AwsCredential>, CustodyError> {
        let got = self.0.get_credential().await;
        // The library does not tell what passes from what lasts.
        got.map_err(|error| {
            CustodyError::Retryable(format!("no credentials of AWS: {}", chain(&error)))
        })
    }
}

pub(crate) fn client_options() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(CONNECTING).with_timeout(DEADLINE)
}

//! Who we are to Google Cloud.

use std::time::Duration;

use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials, mds};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};
use tokio::time::timeout;
use vaultyard_model::chain;
use vaultyard_model::port::custody::CustodyError;

/// What we may do is decided by roles, not by scopes.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// A metadata server answers at once, also when it must ask for a token first.
const DEADLINE: Duration = Duration::from_secs(10);

/// An account, or none. Its tokens are made and made anew by Google's library.
#[derive(Clone)]
pub struct Account(Option<Credentials>);

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
#[error(
    "the credentials of Google Cloud cannot be used: {0}; GOOGLE_APPLICATION_CREDENTIALS names their \
     file, and without it the platform's are taken"
)]
pub struct NoAccount(String);

impl Account {
    /// The account that the platform gives to this process: the file that
    /// `GOOGLE_APPLICATION_CREDENTIALS` names, the one of `gcloud auth application-default login`,
    /// else the metadata server's, which is also that of workload identity. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// [`NoAccount`] when a file is there that cannot be used. That there is no metadata server is
    /// found out by the first call.
    pub fn ambient() -> Result<Self, NoAccount> {
        let built = Builder::default().with_scopes([SCOPE]).build();
        built.map(|credentials| Self(Some(credentials))).map_err(|error| NoAccount(chain(&error)))
    }

    /// The account of a metadata server at this address.
    ///
    /// # Errors
    /// [`NoAccount`] when the address is none.
    pub fn of_metadata_server(at: &str) -> Result<Self, NoAccount> {
        let built = mds::Builder::default().with_endpoint(at).with_scopes([SCOPE]).build();
        built.map(|credentials| Self(Some(credentials))).map_err(|error| NoAccount(chain(&error)))
    }

    /// Nobody, for emulators.
    pub fn anonymous() -> Self {
        Self(None)
    }

    /// What says who we are in a request.
    pub(crate) async fn headers(&self) -> Result<HeaderMap, CustodyError> {
        let Some(credentials) = &self.0 else { return Ok(HeaderMap::new()) };
        match timeout(DEADLINE, credentials.headers(Extensions::new())).await {
            Ok(Ok(CacheableResource::New { data, .. })) => Ok(data),
            Ok(Ok(CacheableResource::NotModified)) => {
                Err(CustodyError::Retryable("Google's library gave no token".to_owned()))
            }
            Ok(Err(error)) => Err(no_token(&error)),
            Err(_) => Err(CustodyError::Retryable(format!(
                "no token of Google Cloud within {} s",
                DEADLINE.as_secs()
            ))),
        }
    }
}

/// The library tells one thing many times over; what is new is at the end of the chain.
fn no_token(error: &CredentialsError) -> CustodyError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = format!(
        "no token of Google Cloud: {cause}; without a metadata server, let \
         GOOGLE_APPLICATION_CREDENTIALS name a file of credentials"
    );
    if error.is_transient() { CustodyError::Retryable(text) } else { CustodyError::Fatal(text) }
}

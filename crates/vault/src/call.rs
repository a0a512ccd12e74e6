//! One request and its answer.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vaultyard_model::Secret;
use vaultyard_model::port::server::CallError;
use zeroize::Zeroizing;

use crate::json;

/// Long enough for a server that is busy, short enough to notice one that hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A request to one server.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Without the leading `/v1/`.
    pub(crate) path: String,
    pub(crate) token: Option<&'a Secret>,
    /// JSON, wiped when the request is gone.
    pub(crate) body: Option<Zeroizing<Vec<u8>>>,
    /// For connecting, sending and the whole answer together.
    pub(crate) deadline: Duration,
    /// Whether only the server itself may answer. A standby otherwise forwards to the leader,
    /// which is wrong wherever it matters which server is meant (a step-down, for example).
    pub(crate) only_here: bool,
    /// Whether it needs a connection of its own: one that shows the present certificate.
    pub(crate) anew: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            token: None,
            body: None,
            deadline: DEADLINE,
            only_here: false,
            anew: false,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn only_here(mut self) -> Self {
        self.only_here = true;
        self
    }

    pub(crate) fn anew(mut self) -> Self {
        self.anew = true;
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, CallError> {
        self.body = Some(json::write(body)?);
        Ok(self)
    }

    /// Whether asking twice is the same as asking once.
    pub(crate) fn only_reads(&self) -> bool {
        self.method == Method::GET
    }
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

#[derive(serde::Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<String>,
}

impl Answer {
    /// The answer, when it is a 2xx.
    pub(crate) fn success(self) -> Result<Self, CallError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(self.refused())
    }

    /// The answer as an error, whatever its status.
    pub(crate) fn refused(&self) -> CallError {
        let errors = match serde_json::from_slice::<Errors>(&self.body) {
            Ok(body) => body.errors,
            Err(_) => Vec::new(),
        };
        CallError::Refused { status: self.status, errors }
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        // The text of a parser's error can quote the input, which may be a secret: only the
        // place is told.
        serde_json::from_slice(&self.body).map_err(|wrong| {
            CallError::Malformed(format!("JSON at line {} column {}", wrong.line(), wrong.column()))
        })
    }

    /// The `data` of the answer.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        #[derive(serde::Deserialize)]
        struct Wrapped<T> {
            data: T,
        }
        self.json::<Wrapped<T>>().map(|wrapped| wrapped.data)
    }
}

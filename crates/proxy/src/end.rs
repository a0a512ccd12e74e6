//! The proxy's own answers to requests that have none of a server's.

use http::{Response, StatusCode};

use crate::answer::{self, AnswerBody};
use crate::body::BodyError;
use crate::gate::Held;
use crate::metrics::Outcome;
use crate::upstream::Failure;

/// Why the answer is the proxy's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It found no slot.
    Held(Held),
    /// There is no room for its head.
    Full,
    /// The server refused it, and there is no other.
    Refused,
    /// Its answer is long, and too many of those are under way.
    Crowded,
    /// Its body did not come as it should.
    Body(BodyError),
    /// The connection broke, and sending once more is not safe.
    Broken,
    /// No answer came.
    Silent,
}

impl End {
    /// The word for it in metrics.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Held(_)
            | Self::Full
            | Self::Refused
            | Self::Crowded
            | Self::Body(BodyError::NoRoom) => Outcome::Unavailable,
            Self::Body(_) => Outcome::Body,
            Self::Broken => Outcome::Broken,
            Self::Silent => Outcome::Silent,
        }
    }

    /// What the client is told.
    pub(crate) fn answer(self) -> Response<AnswerBody> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::Held(Held::TooLong) | Self::Refused => {
                answer::error(unavailable, "no server could take the request in time")
            }
            Self::Held(Held::TooMany) | Self::Full => {
                answer::error(unavailable, "too many requests are waiting")
            }
            Self::Crowded => answer::error(unavailable, "too many long answers are under way"),
            Self::Body(error) => {
                let status = match error {
                    BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
                    BodyError::Cut => StatusCode::BAD_REQUEST,
                    BodyError::NoRoom => unavailable,
                };
                answer::error(status, &error.to_string())
            }
            Self::Broken => answer::error(
                StatusCode::BAD_GATEWAY,
                "the connection to the server broke; the request may have been carried out",
            ),
            Self::Silent => answer::error(
                StatusCode::GATEWAY_TIMEOUT,
                "the server did not answer; the request may have been carried out",
            ),
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent => Self::Refused,
            Failure::Crowded => Self::Crowded,
            Failure::Broken => Self::Broken,
            Failure::Deposed | Failure::Silent => Self::Silent,
            Failure::Body(error) => Self::Body(error),
        }
    }
}

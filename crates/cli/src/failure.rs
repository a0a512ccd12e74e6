//! From an error to an exit code and a hint: the one place that maps them.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

use vaultyard_model::chain;

/// Why a command did not do its work.
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// The kinds of failure, each with its documented exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The work failed.
    Failed = 1,
    /// Wrong usage or bad input; nothing was changed.
    BadInput = 2,
    /// Not ready in time.
    NotInTime = 4,
    /// Refused, or not confirmed.
    Refused = 5,
    /// Ended by the person.
    Interrupted = 130,
}

impl Failure {
    /// A failure of this kind, from an error with its chain of sources.
    pub(crate) fn new(kind: Kind, error: &dyn Error) -> Self {
        Self::text(kind, chain(error))
    }

    /// A failure of this kind, from a sentence.
    pub(crate) fn text(kind: Kind, message: impl Display) -> Self {
        Self { kind, message: message.to_string(), hint: None }
    }

    /// The same with what to do about it.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Prints it on standard error; the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("Error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("Hint: {hint}");
        }
        self.exit_code()
    }

    /// What went wrong, in a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, when that is known.
    pub(crate) fn what_to_do(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Both, where there is one sentence for it.
    pub(crate) fn in_full(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message()),
            None => self.message().to_owned(),
        }
    }

    /// Of which kind it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The documented exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

/// Shorthands for `map_err`: `.map_err(failed)`.
pub(crate) fn failed(error: impl Error) -> Failure {
    Failure::new(Kind::Failed, &error)
}

/// See [`failed`].
pub(crate) fn bad_input(error: impl Error) -> Failure {
    Failure::new(Kind::BadInput, &error)
}

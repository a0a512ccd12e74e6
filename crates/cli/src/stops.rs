//! The signals that ask the program to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Failure, failed};

/// A signal that asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGINT: Ctrl-C, which the terminal sends to the whole foreground.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

/// Takes the signals that ask to stop.
pub(crate) struct Stops {
    signals: [Signal; 3],
}

impl Stops {
    /// Takes the signals over from their defaults.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self {
            signals: [
                interrupt.map_err(failed)?,
                terminate.map_err(failed)?,
                hangup.map_err(failed)?,
            ],
        })
    }

    /// Returns when one more of them came.
    pub(crate) async fn next(&mut self) -> Stop {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => Stop::Interrupt,
            _ = terminate.recv() => Stop::Terminate,
            _ = hangup.recv() => Stop::Hangup,
        }
    }
}

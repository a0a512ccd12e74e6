//! The signals that ask the program to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Failure, failed};

/// Ctrl-C, SIGTERM and SIGHUP: all ask to stop.
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
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

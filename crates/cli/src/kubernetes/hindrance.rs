//! Why a part of a cluster cannot do its work, for whoever asks at its door or looks at its Lease.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::warn;

/// The present reason; `None` when the work goes on. Clones share it.
#[derive(Clone)]
pub(crate) struct Hindrance(Arc<watch::Sender<Option<String>>>);

impl Default for Hindrance {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl Hindrance {
    /// Notes a reason, and logs it once, or that there is none.
    pub(crate) fn set(&self, why: Option<String>) {
        self.0.send_if_modified(|before| {
            let news = *before != why;
            if let Some(why) = why.as_ref().filter(|_| news) {
                warn!("{why}");
            }
            *before = why;
            news
        });
    }

    /// The reason as it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }

    /// The reason, when there is one.
    pub(crate) fn get(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

//! A proxy's part in the planned end of a leader: it asks every server's unsealer whether it is to hold,
//! holds, and says when nothing is in flight any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};
use vaultyard_model::ServerName;
use vaultyard_proxy::Handle;

use super::inner_door;

/// An unsealer lets a question open for ten seconds.
const ANSWER: Duration = Duration::from_secs(15);
/// Between two questions to one that does not answer.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long requests at the leader may take to end; those that wait come to no harm meanwhile.
const IN_FLIGHT: Duration = Duration::from_secs(8);
/// A server is not taken for the leader for so long at most after it said that it goes: longer than
/// its pod may take to end, and no longer than that.
const GOES: Duration = Duration::from_secs(90);

/// The answer to the question whether to hold.
pub(crate) const HOLD: &str = "hold";
/// The path of the question; the proxy's name follows.
pub(crate) const QUESTION: &str = "/hold/";
/// The path of the word that nothing is in flight; the proxy's name follows.
pub(crate) const HELD: &str = "/held/";

/// One proxy and one server.
pub(crate) struct Holding {
    /// This proxy's name.
    pub(crate) proxy: String,
    /// The server.
    pub(crate) server: ServerName,
    /// Its pod's name in the cluster's DNS.
    pub(crate) host: String,
    /// What this proxy shows and whom it believes.
    pub(crate) tls: Arc<ClientConfig>,
    /// What is to hold.
    pub(crate) handle: Handle,
    /// The servers that were asked at least once.
    pub(crate) asked: watch::Sender<BTreeSet<ServerName>>,
}

impl Holding {
    /// Asks for ever.
    pub(crate) async fn run(self) {
        loop {
            let answer = self.ask().await;
            self.asked.send_if_modified(|asked| asked.insert(self.server.clone()));
            match answer {
                Ok(true) => self.hold().await,
                Ok(false) => {}
                // Its pod is gone, or starts: then nothing is to be held for it either.
                Err(_) => sleep(TRY_AGAIN).await,
            }
        }
    }

    async fn ask(&self) -> Result<bool, String> {
        let path = format!("{QUESTION}{}", self.proxy);
        let asked = inner_door::ask(&self.host, &self.tls, Method::GET, &path, ANSWER).await;
        match asked? {
            (StatusCode::OK, body) => Ok(body.as_ref() == HOLD.as_bytes()),
            (status, _) => Err(status.to_string()),
        }
    }

    /// Holds everything until nothing is in flight, and goes without this server until it is another.
    async fn hold(&self) {
        let server = &self.server;
        info!(%server, "it goes: requests are held until another server leads");
        let _excluded = self.handle.exclude(server);
        let drain = self.handle.drain(IN_FLIGHT).await;
        let left = drain.counts().in_flight;
        if left > 0 {
            warn!(%server, left, "requests are still in flight after {IN_FLIGHT:?}");
        }
        let path = format!("{HELD}{}", self.proxy);
        let told = inner_door::ask(&self.host, &self.tls, Method::POST, &path, ANSWER).await;
        if let Err(error) = told {
            warn!(%server, "cannot tell it that nothing is in flight: {error}");
        }
        // The server is not taken for the leader any more, so everything waits for another all the same.
        drain.release();
        until_it_is_another(|| self.ask()).await;
    }
}

/// Returns when the server's unsealer says that nothing is to be held, which is one that has started
/// anew, and at the latest when its pod must have ended.
async fn until_it_is_another<Answer>(ask: impl Fn() -> Answer)
where
    Answer: Future<Output = Result<bool, String>>,
{
    let until = Instant::now() + GOES;
    let asked = async {
        loop {
            sleep(TRY_AGAIN).await;
            if ask().await == Ok(false) {
                return;
            }
        }
    };
    timeout_at(until, asked).await.ok();
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    async fn lasts(answer: impl Future<Output = Result<bool, String>> + Clone) -> Duration {
        let began = Instant::now();
        until_it_is_another(|| answer.clone()).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_ends_with_the_server_that_went() {
        assert_eq!(lasts(ready(Ok(false))).await, TRY_AGAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_ends_by_itself_when_the_server_never_goes_or_never_answers_again() {
        assert_eq!(lasts(ready(Ok(true))).await, GOES);
        assert_eq!(lasts(ready(Err("it is gone".to_owned()))).await, GOES);
        assert_eq!(lasts(pending()).await, GOES);
    }
}

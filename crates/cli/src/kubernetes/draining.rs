//! The planned end of the leader: proxies hold their requests, and only when nothing is in flight any
//! more is the server told to end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// How long a question stays open while nothing happens.
const POLL: Duration = Duration::from_secs(10);
/// A proxy that has not asked for so long is gone.
const GONE: Duration = Duration::from_secs(3);

/// The proxies that a server's unsealer knows, and whether they are to hold.
pub(crate) struct Draining {
    begun: watch::Sender<bool>,
    proxies: Mutex<BTreeMap<String, Proxy>>,
    changed: Notify,
}

struct Proxy {
    /// Questions of it that are open.
    open: u32,
    last: Instant,
    holds: bool,
}

impl Default for Draining {
    fn default() -> Self {
        Self { begun: watch::channel(false).0, proxies: Mutex::default(), changed: Notify::new() }
    }
}

impl Draining {
    /// A proxy's question whether it is to hold: answered when it is, or after a while.
    ///
    /// The first one of a proxy is answered at once, so that it learns that it is known.
    pub(crate) async fn is_to_hold(&self, proxy: &str) -> bool {
        let open = self.enter(proxy);
        let within = if open.is_first { Duration::ZERO } else { POLL };
        let mut begun = self.begun.subscribe();
        let answered = timeout(within, begun.wait_for(|begun| *begun)).await;
        matches!(answered, Ok(Ok(_)))
    }

    /// A proxy holds everything, and nothing of it is in flight at this server.
    pub(crate) fn holds(&self, proxy: &str) {
        if let Some(proxy) = self.lock().get_mut(proxy) {
            proxy.holds = true;
        }
        self.changed.notify_waiters();
    }

    /// Tells all proxies to hold, and waits until they do. Those that have not by then.
    pub(crate) async fn drain(&self, within: Duration) -> Vec<String> {
        self.begun.send_replace(true);
        let all_hold = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.missing().is_empty() {
                    return;
                }
                // One that is gone is noticed by the clock alone.
                timeout(GONE / 3, changed).await.ok();
            }
        };
        timeout(within, all_hold).await.ok();
        self.missing()
    }

    /// The proxies that are there and do not hold.
    fn missing(&self) -> Vec<String> {
        let there = |proxy: &Proxy| proxy.open > 0 || proxy.last.elapsed() < GONE;
        let proxies = self.lock();
        let missing = proxies.iter().filter(|(_, proxy)| there(proxy) && !proxy.holds);
        missing.map(|(name, _)| name.clone()).collect()
    }

    fn enter<'a>(&'a self, proxy: &str) -> Open<'a> {
        let mut proxies = self.lock();
        let now = Instant::now();
        // Only those that ask are kept: the names of pods that are long gone would pile up.
        proxies.retain(|_, proxy| proxy.open > 0 || proxy.last.elapsed() < GONE);
        let is_first = !proxies.contains_key(proxy);
        let known = proxies.entry(proxy.to_owned());
        let known = known.or_insert(Proxy { open: 0, last: now, holds: false });
        known.open += 1;
        Open { draining: self, proxy: proxy.to_owned(), is_first }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Proxy>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is open; dropped when it is answered, or its asker is gone.
struct Open<'a> {
    draining: &'a Draining,
    proxy: String,
    is_first: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(proxy) = self.draining.lock().get_mut(&self.proxy) {
            proxy.open = proxy.open.saturating_sub(1);
            proxy.last = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_where_nobody_asks() {
        let draining = Draining::default();
        let before = Instant::now();
        assert!(draining.drain(LONG).await.is_empty());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxys_first_question_is_answered_at_once_and_its_next_one_when_there_is_news() {
        let draining = Draining::default();
        let before = Instant::now();
        assert!(!draining.is_to_hold("new").await);
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert!(!draining.is_to_hold("new").await);
        assert_eq!(before.elapsed(), POLL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_first_asks_in_the_middle_of_a_drain_is_to_hold() {
        let draining = Draining::default();
        assert!(draining.drain(LONG).await.is_empty());
        assert!(draining.is_to_hold("new").await);
    }

    #[tokio::test(start_paused = true)]
    async fn every_proxy_that_asks_is_waited_for() {
        let draining = Arc::new(Draining::default());
        let proxy = |name: &'static str, takes: u64| {
            let draining = draining.clone();
            tokio::spawn(async move {
                while !draining.is_to_hold(name).await {}
                tokio::time::sleep(Duration::from_secs(takes)).await;
                draining.holds(name);
            })
        };
        let (quick, slow) = (proxy("quick", 0), proxy("slow", 2));
        tokio::time::sleep(Duration::from_secs(25)).await;
        let before = Instant::now();
        assert!(draining.drain(LONG).await.is_empty());
        assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
        quick.await.unwrap();
        slow.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_holds_is_named_and_one_that_is_gone_is_not() {
        let draining = Arc::new(Draining::default());
        let gone = {
            let draining = draining.clone();
            tokio::spawn(async move { draining.is_to_hold("gone").await })
        };
        tokio::task::yield_now().await;
        gone.abort();
        let deaf = draining.clone();
        let deaf = tokio::spawn(async move {
            loop {
                deaf.is_to_hold("deaf").await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        tokio::task::yield_now().await;
        assert_eq!(draining.drain(LONG).await, ["deaf"]);
        deaf.abort();
    }
}

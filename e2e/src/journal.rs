//! Clients that write through the proxy, and their own notes of what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant as TokioInstant, sleep_until};

use crate::verdict::{self, Entry, Fault, Found, Outcome};
use crate::{Access, Answer, Client, NoAnswer};

/// The longest that clients may be without success: more than an election, less than for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much is written.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many clients, each with a connection of its own and one request at a time.
    pub writers: usize,
    /// From the start of one write of a client to the start of its next.
    pub every: Duration,
}

/// What clients wrote and were told.
#[derive(Debug)]
pub struct Journal {
    entries: Vec<Entry>,
    /// The longest time between two acknowledgements, of whichever client.
    pub longest_gap: Duration,
    /// When the first write failed, by the wall clock: to be found in logs.
    pub first_failure: Option<Timestamp>,
}

/// Clients at work. Dropped, they stop after the request under way.
pub struct Writing {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<(Entry, Instant)>>>,
    began: Instant,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    /// How many clients wait for an answer now.
    in_flight: AtomicUsize,
    /// What the last write that was not acknowledged was told; for messages.
    trouble: Mutex<Option<Outcome>>,
}

/// Makes the store that the clients write to, where a cluster has none of itself.
///
/// # Panics
/// When it cannot be made.
#[track_caller]
pub fn provide(access: &Access) {
    let kind = json!({"type": "kv", "options": {"version": "2"}});
    let answer = once(access, Method::POST, "sys/mounts/secret", &kind);
    let there = answer.body.to_string().contains("path is already in use");
    assert!(answer.status == 204 || there, "{} {}", answer.status, answer.body);
    // A new store of version 2 refuses until it has set itself up.
    let configured = || {
        let answer = once(access, Method::GET, "secret/config", &Value::Null);
        (answer.status == 200).then_some(())
    };
    crate::wait("the new store answers", Duration::from_secs(20), configured);
}

/// Starts clients that write until they are told to stop.
#[must_use]
pub fn start(access: &Access, pace: Pace) -> Writing {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let shared = Arc::new(Shared::default());
    let client = |number| {
        let name = format!("{run}-{number}");
        runtime().spawn(write(Client::new(access), name, pace.every, Arc::clone(&shared)))
    };
    Writing { clients: (0..pace.writers).map(client).collect(), shared, began: Instant::now() }
}

impl Writing {
    /// Waits until this many more writes are acknowledged.
    #[track_caller]
    pub fn wait_for(&self, more: usize) {
        let count = || self.shared.acknowledged.load(Ordering::Relaxed);
        let goal = count() + more;
        let deadline = Instant::now() + PATIENCE;
        while count() < goal {
            let trouble = self.shared.trouble.lock().unwrap().clone();
            let late = Instant::now() >= deadline;
            assert!(!late, "no {more} more writes in {PATIENCE:?}; last trouble: {trouble:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until every client waits for an answer: after the server has stopped to give any.
    #[track_caller]
    pub fn wait_for_all_in_flight(&self) {
        crate::wait("all clients wait for an answer", PATIENCE, || {
            let in_flight = self.shared.in_flight.load(Ordering::Relaxed);
            (in_flight == self.clients.len()).then_some(())
        });
    }

    /// Whether a write was not acknowledged so far.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.trouble.lock().unwrap().is_some()
    }

    /// Stops the clients and gives their notes.
    ///
    /// # Panics
    /// When a client has panicked.
    #[must_use]
    pub fn stop(mut self) -> Journal {
        self.shared.stop.store(true, Ordering::Relaxed);
        let clients = std::mem::take(&mut self.clients);
        let notes = clients.into_iter().flat_map(|client| runtime().block_on(client).unwrap());
        let (entries, ends): (Vec<Entry>, Vec<Instant>) = notes.unzip();
        let ended = std::iter::zip(&entries, ends);
        let (mut acknowledged, failed): (Vec<_>, Vec<_>) =
            ended.partition(|(entry, _)| entry.outcome == Outcome::Acknowledged);
        acknowledged.sort_by_key(|(_, end)| *end);
        let acknowledged: Vec<Instant> = acknowledged.into_iter().map(|(_, end)| end).collect();
        let first_failure = failed.iter().map(|(_, end)| Timestamp::now() - end.elapsed()).min();
        Journal { longest_gap: longest_gap(self.began, &acknowledged), first_failure, entries }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Journal {
    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.entries.iter().filter(|entry| entry.outcome == Outcome::Acknowledged).count()
    }

    /// The writes that were not.
    pub fn failed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.outcome != Outcome::Acknowledged)
    }

    /// # Panics
    /// When a write was not acknowledged.
    #[track_caller]
    pub fn expect_no_failure(&self) {
        let failed: Vec<_> = self.failed().collect();
        assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), self.entries.len());
    }

    /// Every write.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was promised and not kept.
    #[must_use]
    pub fn verdict(&self, found: &BTreeMap<String, Found>) -> Vec<Fault> {
        verdict::faults(&self.entries, found)
    }
}

/// What the store holds of a journal's keys.
///
/// # Panics
/// When a key cannot be read.
#[must_use]
#[track_caller]
pub fn read_back(access: &Access, journal: &Journal) -> BTreeMap<String, Found> {
    let mut client = Client::new(access);
    runtime().block_on(async {
        let mut found = BTreeMap::new();
        for entry in &journal.entries {
            let answer = client.send(Method::GET, &place(&entry.key), &Value::Null).await;
            let answer =
                answer.unwrap_or_else(|none| panic!("{} cannot be read: {none:?}", entry.key));
            match answer.status {
                200 => found.insert(entry.key.clone(), value_of(&answer)),
                404 => None,
                status => panic!("{} cannot be read: {status} {}", entry.key, answer.body),
            };
        }
        found
    })
}

/// Writes one key, outside of every journal: for tests of the checker itself.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn write_once(access: &Access, key: &str, value: &str) {
    let answer = once(access, Method::POST, &place(key), &content(value));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Removes one key with all its versions, outside of every journal.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn remove(access: &Access, key: &str) {
    let place = place(key).replacen("/data/", "/metadata/", 1);
    let answer = once(access, Method::DELETE, &place, &Value::Null);
    assert_eq!(answer.status, 204, "{}", answer.body);
}

#[track_caller]
fn once(access: &Access, method: Method, place: &str, body: &Value) -> Answer {
    runtime().block_on(Client::new(access).send(method, place, body)).unwrap()
}

/// One client: one write after the other, each under a new key, at its pace.
async fn write(
    mut client: Client,
    name: String,
    every: Duration,
    shared: Arc<Shared>,
) -> Vec<(Entry, Instant)> {
    let mut notes = Vec::new();
    let mut next = TokioInstant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        sleep_until(next).await;
        next = TokioInstant::now().max(next + every);
        let number = notes.len();
        let (key, value) = (format!("{name}-{number}"), format!("value {number} of {name}"));
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = client.send(Method::POST, &place(&key), &content(&value)).await;
        shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        let outcome = outcome(&answer);
        if outcome == Outcome::Acknowledged {
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else {
            *shared.trouble.lock().unwrap() = Some(outcome.clone());
            next += Duration::from_millis(50);
        }
        notes.push((Entry { key, value, outcome }, Instant::now()));
    }
    notes
}

/// What an answer means for a write. "Not now, try again later" is a promise that nothing was done.
fn outcome(answer: &Result<Answer, NoAnswer>) -> Outcome {
    match answer {
        Ok(answer) if answer.status == 200 => Outcome::Acknowledged,
        Ok(answer) if answer.status < 500 || answer.retry_after => {
            Outcome::Refused(format!("{} {}", answer.status, answer.body))
        }
        Ok(answer) => Outcome::Unknown(format!("{} {}", answer.status, answer.body)),
        Err(NoAnswer::NotSent(why)) => Outcome::Refused(why.clone()),
        Err(NoAnswer::Unknown(why)) => Outcome::Unknown(why.clone()),
    }
}

fn longest_gap(began: Instant, acknowledged: &[Instant]) -> Duration {
    let before = std::iter::once(began).chain(acknowledged.iter().copied());
    let gaps = std::iter::zip(before, acknowledged).map(|(from, to)| to.duration_since(from));
    gaps.max().unwrap_or_default()
}

fn place(key: &str) -> String {
    format!("secret/data/journal/{key}")
}

fn content(value: &str) -> Value {
    json!({"data": {"value": value}})
}

fn value_of(answer: &Answer) -> Found {
    let data = &answer.body["data"];
    Found {
        versions: data["metadata"]["version"].as_u64().unwrap_or_default(),
        value: data["data"]["value"].as_str().unwrap_or_default().to_owned(),
    }
}

/// One for all journals of a process: the tests themselves are plain threads.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: bool) -> Result<Answer, NoAnswer> {
        Ok(Answer { status, retry_after, body: Value::Null })
    }

    #[test]
    fn only_a_clear_no_is_a_refusal() {
        assert_eq!(outcome(&answer(200, false)), Outcome::Acknowledged);
        assert!(matches!(outcome(&answer(503, true)), Outcome::Refused(_)));
        assert!(matches!(outcome(&answer(403, false)), Outcome::Refused(_)));
        assert!(matches!(outcome(&answer(500, false)), Outcome::Unknown(_)));
        let cut = Err(NoAnswer::Unknown("reset".to_owned()));
        assert!(matches!(outcome(&cut), Outcome::Unknown(_)));
    }

    #[test]
    fn the_longest_gap_counts_from_the_start() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        assert_eq!(longest_gap(began, &[]), Duration::ZERO);
        assert_eq!(longest_gap(began, &[at(30), at(40)]), Duration::from_millis(30));
        assert_eq!(longest_gap(began, &[at(1), at(5), at(6)]), Duration::from_millis(4));
    }
}

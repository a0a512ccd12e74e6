//! Clients that send at a fixed pace, whatever becomes of the requests before: every second
//! request reads, every other one writes a key of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep_until, timeout};
use vaultyard_e2e::{Access, Answer, Client, NoAnswer};

use crate::bare::is_done;
use crate::runtime;

/// From one request to the next: 200 a second.
const EVERY: Duration = Duration::from_millis(5);
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request and what became of it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The key that was written; `None` for a read.
    pub(crate) written: Option<String>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) failure: Option<Failure>,
}

/// Why a request is not done.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Whether it may have been carried out all the same. "Not now, try again later" is a promise
    /// that it was not.
    pub(crate) ambiguous: bool,
    pub(crate) said: String,
}

/// Clients at work.
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    requests: JoinHandle<Vec<Sent>>,
}

/// Starts sending; `name` keeps the keys apart from those of other runs.
pub(crate) fn start(access: &Access, name: &str) -> Running {
    let stop = Arc::new(AtomicBool::new(false));
    let requests = runtime().spawn(send_all(access.clone(), name.to_owned(), Arc::clone(&stop)));
    Running { stop, requests }
}

impl Running {
    /// Sends nothing more, waits for what is under way, and gives all that was sent.
    pub(crate) fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        runtime().block_on(self.requests).unwrap()
    }
}

async fn send_all(access: Access, name: String, stop: Arc<AtomicBool>) -> Vec<Sent> {
    let idle = Arc::new(Mutex::new(Vec::new()));
    let mut under_way = JoinSet::new();
    let mut next = tokio::time::Instant::now();
    for number in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        sleep_until(next).await;
        next += EVERY;
        let client = idle.lock().unwrap().pop().unwrap_or_else(|| Client::new(&access));
        let written = (number % 2 == 1).then(|| format!("{name}-{number}"));
        under_way.spawn(send(client, written, Arc::clone(&idle)));
    }
    under_way.join_all().await
}

async fn send(mut client: Client, written: Option<String>, idle: Arc<Mutex<Vec<Client>>>) -> Sent {
    let began = Instant::now();
    let answer = timeout(PATIENCE, ask(&mut client, written.as_deref())).await;
    let answer = answer.unwrap_or_else(|_| Err(NoAnswer::Unknown("no answer in time".to_owned())));
    let ended = Instant::now();
    idle.lock().unwrap().push(client);
    Sent { written, began, ended, failure: failure(&answer) }
}

async fn ask(client: &mut Client, written: Option<&str>) -> Result<Answer, NoAnswer> {
    match written {
        Some(key) => client.send(Method::POST, &place(key), &json!({"data": {"v": key}})).await,
        None => client.send(Method::GET, "secret/data/hello", &Value::Null).await,
    }
}

/// How many acknowledged writes the store does not hold; `None` when it does not answer within
/// `patience` any more.
pub(crate) async fn lost(client: &mut Client, sent: &[Sent], patience: Duration) -> Option<usize> {
    let mut lost = 0;
    let acknowledged = sent.iter().filter(|it| it.failure.is_none());
    for key in acknowledged.filter_map(|it| it.written.as_deref()) {
        let place = place(key);
        let found = client.send(Method::GET, &place, &Value::Null);
        let found = timeout(patience, found).await.ok()?.ok()?;
        lost += usize::from(found.body["data"]["data"]["v"] != key);
    }
    Some(lost)
}

fn place(key: &str) -> String {
    format!("secret/data/load/{key}")
}

fn failure(answer: &Result<Answer, NoAnswer>) -> Option<Failure> {
    let (ambiguous, said) = match answer {
        answer if is_done(answer) => return None,
        Ok(answer) => {
            let clear = answer.status < 500 || answer.retry_after;
            (!clear, format!("{} {}", answer.status, answer.body))
        }
        Err(NoAnswer::NotSent(why)) => (false, why.clone()),
        Err(NoAnswer::Unknown(why)) => (true, why.clone()),
    };
    Some(Failure { ambiguous, said })
}

//! Clients that send at a fixed pace, whatever becomes of the requests before: some write a key of their own,
//! the others change nothing that is kept.

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

/// What is asked for, in turns.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    /// A secret.
    Read,
    /// To keep a secret.
    Write,
    /// To encrypt with a key of the transit engine.
    Encrypt,
    /// A token.
    LogIn,
}

/// As many writes as reads.
pub(crate) const HALVES: &[Asked] = &[Asked::Read, Asked::Write];
/// What applications do, who log in now and then.
pub(crate) const EVERYTHING: &[Asked] = {
    use Asked::{Encrypt, LogIn, Read, Write};
    &[Read, Write, Read, Encrypt, Read, Write, Read, Write, Read, LogIn]
};

/// A request and what became of it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The key that was written; `None` where nothing was.
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
pub(crate) fn start(access: &Access, name: &str, mix: &'static [Asked]) -> Running {
    let stop = Arc::new(AtomicBool::new(false));
    let sending = send_all(access.clone(), name.to_owned(), mix, Arc::clone(&stop));
    Running { stop, requests: runtime().spawn(sending) }
}

/// Makes what [`EVERYTHING`] takes besides a store of secrets.
pub(crate) async fn provide(client: &mut Client) {
    let role = json!({
        "bind_secret_id": false, "token_bound_cidrs": ["127.0.0.0/8"], "token_type": "batch",
    });
    for (path, content) in [
        ("sys/mounts/transit", json!({"type": "transit"})),
        ("transit/keys/load", json!({})),
        ("sys/auth/approle", json!({"type": "approle"})),
        ("auth/approle/role/load", role),
        // By a name that is known beforehand.
        ("auth/approle/role/load/role-id", json!({"role_id": ROLE})),
    ] {
        let answer = client.send(Method::POST, path, &content).await;
        assert!(is_done(&answer), "{path}: {answer:?}");
    }
}

const ROLE: &str = "load";

impl Running {
    /// Sends nothing more, waits for what is under way, and gives all that was sent.
    pub(crate) fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        runtime().block_on(self.requests).unwrap()
    }
}

async fn send_all(
    access: Access,
    name: String,
    mix: &'static [Asked],
    stop: Arc<AtomicBool>,
) -> Vec<Sent> {
    let idle = Arc::new(Mutex::new(Vec::new()));
    let mut under_way = JoinSet::new();
    let mut next = tokio::time::Instant::now();
    for (number, asked) in mix.iter().copied().cycle().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        sleep_until(next).await;
        next += EVERY;
        let client = idle.lock().unwrap().pop().unwrap_or_else(|| Client::new(&access));
        let key = format!("{name}-{number}");
        under_way.spawn(send(client, asked, key, Arc::clone(&idle)));
    }
    under_way.join_all().await
}

async fn send(
    mut client: Client,
    asked: Asked,
    key: String,
    idle: Arc<Mutex<Vec<Client>>>,
) -> Sent {
    let began = Instant::now();
    let answer = timeout(PATIENCE, ask(&mut client, asked, &key)).await;
    let answer = answer.unwrap_or_else(|_| Err(NoAnswer::Unknown("no answer in time".to_owned())));
    let ended = Instant::now();
    idle.lock().unwrap().push(client);
    let written = matches!(asked, Asked::Write).then_some(key);
    Sent { written, began, ended, failure: failure(&answer) }
}

async fn ask(client: &mut Client, asked: Asked, key: &str) -> Result<Answer, NoAnswer> {
    let (method, path, content) = match asked {
        Asked::Read => (Method::GET, "secret/data/hello".to_owned(), Value::Null),
        Asked::Write => (Method::POST, place(key), json!({"data": {"v": key}})),
        // "hello"
        Asked::Encrypt => {
            (Method::POST, "transit/encrypt/load".to_owned(), json!({"plaintext": "aGVsbG8="}))
        }
        Asked::LogIn => (Method::POST, "auth/approle/login".to_owned(), json!({"role_id": ROLE})),
    };
    client.send(method, &path, &content).await
}

/// How many acknowledged writes the store does not hold; `None` when it does not answer within
/// `patience` any more.
pub(crate) async fn lost(client: &mut Client, sent: &[Sent], patience: Duration) -> Option<usize> {
    Some(kept(client, sent, patience).await?.lost)
}

/// What became of acknowledged writes.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// How many the store does not hold.
    pub(crate) lost: usize,
    /// How many it has done more than once.
    pub(crate) twice: usize,
}

/// Reads all of them; `None` when the store does not answer within `patience` any more.
pub(crate) async fn kept(client: &mut Client, sent: &[Sent], patience: Duration) -> Option<Kept> {
    let mut kept = Kept::default();
    let acknowledged = sent.iter().filter(|it| it.failure.is_none());
    for key in acknowledged.filter_map(|it| it.written.as_deref()) {
        let place = place(key);
        let found = client.send(Method::GET, &place, &Value::Null);
        let found = timeout(patience, found).await.ok()?.ok()?;
        kept.lost += usize::from(found.body["data"]["data"]["v"] != key);
        let versions = found.body["data"]["metadata"]["version"].as_u64();
        kept.twice += usize::from(versions.is_some_and(|versions| versions > 1));
    }
    Some(kept)
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

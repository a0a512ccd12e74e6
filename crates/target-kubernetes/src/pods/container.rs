//! How one container lives.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use vaultyard_model::observed::{Exit, LastEnd, ProcessSeen};

/// Shells, and container runtimes after them, add this to the number of a signal that ended a process.
const BY_SIGNAL: i32 = 128;

pub(super) fn process(status: Option<&Value>, deleted: bool) -> ProcessSeen {
    let Some(status) = status else { return ProcessSeen::NotStarted };
    if status["state"]["running"].is_object() {
        return ProcessSeen::Elsewhere;
    }
    match ended(status) {
        Some(_) if deleted => ProcessSeen::Stopped,
        Some(end) => {
            let again = end.at.checked_add(backoff(status)).unwrap_or(Timestamp::MAX);
            let times = status["restartCount"].as_u64().and_then(|times| u32::try_from(times).ok());
            let times = times.unwrap_or_default().saturating_add(1);
            ProcessSeen::Ended { exit: end.exit, at: end.at, again, times }
        }
        None => ProcessSeen::NotStarted,
    }
}

/// How it ended, while it has not been started again.
fn ended(status: &Value) -> Option<LastEnd> {
    let now = end(&status["state"]["terminated"]);
    let waits = status["state"]["waiting"].is_object();
    now.or_else(|| end(&status["lastState"]["terminated"]).filter(|_| waits))
}

pub(super) fn last_end(status: &Value) -> Option<LastEnd> {
    end(&status["state"]["terminated"]).or_else(|| end(&status["lastState"]["terminated"]))
}

fn end(terminated: &Value) -> Option<LastEnd> {
    let code = i32::try_from(terminated["exitCode"].as_i64()?).ok()?;
    let signal = (code > BY_SIGNAL).then(|| code - BY_SIGNAL);
    let code = signal.is_none().then_some(code);
    // `Error` and `Completed` say no more than the code does.
    let reason = terminated["reason"].as_str().filter(|it| !["Error", "Completed"].contains(it));
    let said = terminated["message"].as_str().and_then(|text| text.trim().lines().last());
    let reason = said.or(reason).map(str::to_owned);
    let no_space = reason.as_deref().is_some_and(|it| it.contains("no space left on device"));
    // When it ended is missing only where the node itself was lost.
    let at = terminated["finishedAt"].as_str().and_then(|at| at.parse().ok());
    Some(LastEnd {
        exit: Exit { code, signal, reason, no_space },
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// `back-off 1m20s restarting failed container=...`
fn backoff(status: &Value) -> Duration {
    let message = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
    let wait = message.strip_prefix("back-off ").and_then(|rest| rest.split(' ').next());
    wait.and_then(go_duration).unwrap_or_default()
}

/// A duration as Go prints whole seconds: `40s`, `1m20s`, `5m0s`.
fn go_duration(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?;
    let (minutes, seconds) = seconds.split_once('m').unwrap_or(("0", seconds));
    let (minutes, seconds) = (minutes.parse::<u64>().ok()?, seconds.parse::<u64>().ok()?);
    Some(Duration::from_secs(minutes.saturating_mul(60).saturating_add(seconds)))
}

/// How a container that crashes last ended, as what it did.
pub(super) fn crash(status: &Value) -> String {
    let Some(LastEnd { exit, .. }) = last_end(status) else { return "ends at once".to_owned() };
    let how = match (exit.code, exit.signal) {
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        (Some(code), None) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    };
    match exit.reason {
        Some(reason) => format!("{how} ({reason})"),
        None => how,
    }
}

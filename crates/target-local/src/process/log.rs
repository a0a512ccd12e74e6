//! What a server's log tells: why it ended, and when it came to lead. Pure.
//!
//! A server with `log_format: json` writes JSON lines once it has read its configuration. Before
//! that, in a panic, and in its last words it writes plain text.

use jiff::Timestamp;
use serde_json::Value as Json;

/// What the log says of the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LastWords {
    /// The line that says why.
    pub(super) reason: Option<String>,
    /// Whether the disk was full.
    pub(super) no_space: bool,
}

/// The longest reason, in characters; panics can be very long.
const LONGEST: usize = 400;

/// What comes at every end and explains none.
const NOISE: [&str; 3] =
    ["==> ", "Error closing listeners", "Error parsing listener configuration."];

/// Reads the end of a log.
pub(super) fn last_words(log: &str) -> LastWords {
    let panic = log.lines().find(|line| is_panic(line)).map(str::to_owned);
    let reason = panic.or_else(|| log.lines().rev().find_map(failure));
    LastWords {
        reason: reason.map(|text| text.chars().take(LONGEST).collect()),
        no_space: log.contains("no space left on device"),
    }
}

/// Why a server that has written this has ended, as far as it says.
pub fn reason_of_end(log: &str) -> Option<String> {
    last_words(log).reason
}

/// When the log last says that the server won an election.
pub(super) fn election_won(log: &str) -> Option<Timestamp> {
    let mut lines = log.lines().rev().filter(|line| line.contains("\"election won\""));
    lines.find_map(|line| {
        let entry: Json = serde_json::from_str(line).ok()?;
        (entry["@message"] == "election won").then_some(())?;
        entry["@timestamp"].as_str()?.parse().ok()
    })
}

fn is_panic(line: &str) -> bool {
    line.starts_with("panic: ") || line.starts_with("fatal error: ")
}

/// What a line says went wrong; `None` when it says something else.
fn failure(line: &str) -> Option<String> {
    match serde_json::from_str(line) {
        Ok(Json::Object(entry)) => {
            let text = |key: &str| entry.get(key).and_then(Json::as_str);
            if text("@level") != Some("error") {
                return None;
            }
            let message = text("@message")?;
            let cause = text("error").or_else(|| text("err"));
            Some(cause.map_or_else(|| message.to_owned(), |cause| format!("{message}: {cause}")))
        }
        _ => plain_failure(line),
    }
}

/// Plain lines are the last words of a start that failed, but for indented tables and for log
/// lines in the form that holds before the configuration is read.
fn plain_failure(line: &str) -> Option<String> {
    let logged =
        ["[TRACE]", "[DEBUG]", "[INFO]", "[WARN]"].iter().any(|level| line.contains(level));
    let noise = NOISE.iter().any(|noise| line.starts_with(noise));
    let indented = line.starts_with(char::is_whitespace);
    let said = !(logged || noise || indented || line.is_empty());
    said.then(|| line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(log: &str) -> Option<String> {
        last_words(log).reason
    }

    #[test]
    fn the_last_plain_line_of_a_failed_start_is_the_reason() {
        let log = "\
{\"@level\":\"info\",\"@message\":\"proxy environment\"}
Error parsing listener configuration.
Error initializing listener of type tcp: listen tcp 127.0.0.11:8200: bind: address already in use
";
        assert_eq!(
            reason(log).unwrap(),
            "Error initializing listener of type tcp: listen tcp 127.0.0.11:8200: bind: address \
             already in use"
        );
    }

    #[test]
    fn an_error_that_was_logged_is_a_reason_with_its_cause() {
        let log = "\
{\"@level\":\"error\",\"@message\":\"failed to commit logs\",\"error\":\"write raft.db: broken\"}
{\"@level\":\"info\",\"@message\":\"election won\"}
==> OpenBao shutdown triggered
Error closing listeners: remove admin.sock: no such file or directory
";
        assert_eq!(reason(log).unwrap(), "failed to commit logs: write raft.db: broken");
    }

    #[test]
    fn a_panic_is_the_reason_whatever_follows() {
        let log = "\
{\"@level\":\"error\",\"@message\":\"before\"}
panic: failed to persist: write vault.db: no space left on device

goroutine 1 [running]:
main.main()
\t/src/main.go:7
exit status 2
";
        let words = last_words(log);
        assert!(words.reason.unwrap().starts_with("panic: failed to persist"));
        assert!(words.no_space);
    }

    #[test]
    fn a_log_without_a_failure_gives_no_reason() {
        let log = "\
2026-11-24T13:27:58.431Z [INFO]  proxy environment: http_proxy=\"\"

==> OpenBao server configuration:

             Api Address: https://127.0.0.11:8200
==> OpenBao server started!
{\"@level\":\"info\",\"@message\":\"security barrier not initialized\"}
";
        assert_eq!(last_words(log), LastWords::default());
        assert_eq!(last_words(""), LastWords::default());
    }

    #[test]
    fn the_last_election_that_was_won_is_found() {
        let log = "\
{\"@level\":\"info\",\"@message\":\"election won\",\"@timestamp\":\"2026-11-24T13:37:54.002503Z\"}
{\"@level\":\"info\",\"@message\":\"election won\",\"@timestamp\":\"2026-11-24T13:38:05.479372Z\"}
{\"@message\":\"entering leader state\",\"@timestamp\":\"2026-11-24T13:38:06.000000Z\"}
{\"@message\":\"told of \\\"election won\\\"\",\"@timestamp\":\"2026-11-24T13:39:00.000000Z\"}
";
        assert_eq!(election_won(log), Some("2026-11-24T13:38:05.479372Z".parse().unwrap()));
        assert_eq!(election_won("{\"@message\":\"vote\"}"), None);
    }

    #[test]
    fn a_reason_has_an_end() {
        assert_eq!(reason(&"ä".repeat(10_000)).unwrap().chars().count(), LONGEST);
    }
}

//! Clients that each send the next request when the last is answered: `wrk`, which costs little.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vaultyard_e2e::Access;

/// What `wrk` counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// Seconds.
    pub(crate) p50: f64,
    /// Seconds.
    pub(crate) p99: f64,
    /// Answers of another status than 2xx and 3xx, and requests without an answer.
    pub(crate) failed: f64,
}

/// How many clients, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: u32,
    pub(crate) lasts: Duration,
}

/// A `wrk` at work.
pub(crate) struct Reading(Child);

/// Reads `/v1/PATH` until the plan is over.
pub(crate) fn read(access: &Access, path: &str, plan: Plan, folder: &Path) -> Counted {
    start(access, path, plan, folder).finish()
}

/// Starts reading `/v1/PATH`.
pub(crate) fn start(access: &Access, path: &str, plan: Plan, folder: &Path) -> Reading {
    let script = folder.join("wrk.lua");
    let mut options = fs::OpenOptions::new();
    // The token is in it, and not in the arguments, which everybody can read.
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&script);
    file.as_mut().unwrap().write_all(SCRIPT.replace("TOKEN", access.token()).as_bytes()).unwrap();
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &plan.connections.to_string()]);
    wrk.args(["--duration", &format!("{}s", plan.lasts.as_secs().max(1)), "--timeout", "10s"]);
    wrk.arg("--script").arg(&script).arg(format!("https://{}/v1/{path}", access.address()));
    Reading(wrk.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
}

impl Reading {
    pub(crate) fn finish(self) -> Counted {
        let said = String::from_utf8(self.0.wait_with_output().unwrap().stdout).unwrap();
        counted(&said).unwrap_or_else(|| panic!("wrk did not work: {said}"))
    }
}

/// Has `wrk` end with a line of its figures.
const SCRIPT: &str = r#"wrk.headers["X-Vault-Token"] = "TOKEN"
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("counted %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed))
end
"#;

fn counted(said: &str) -> Option<Counted> {
    let line = said.lines().find_map(|line| line.strip_prefix("counted "))?;
    let figures: Vec<f64> = line.split(' ').map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let [requests, micros, p50, p99, failed] = figures[..] else { return None };
    Some(Counted {
        requests,
        per_second: requests / micros * 1e6,
        p50: p50 / 1e6,
        p99: p99 / 1e6,
        failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_figures_is_read() {
        let counted = counted("Running\ncounted 2000 500000 900 4000 3\n").unwrap();
        assert!((counted.per_second - 4000.0).abs() < 1e-6);
        assert!((counted.p99 - 0.004).abs() < 1e-9);
        assert!((counted.failed - 3.0).abs() < 1e-9);
        assert!(super::counted("nothing").is_none());
    }
}

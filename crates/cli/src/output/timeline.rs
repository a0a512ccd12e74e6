//! Which server was away when, in a rollout.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::control::wire::Status;
use crate::output;

/// When each server went and came back.
#[derive(Default)]
pub(crate) struct Timeline {
    servers: BTreeMap<String, Away>,
}

/// The absence of one server, in the time since all began.
#[derive(Default)]
struct Away {
    from: Option<Duration>,
    to: Option<Duration>,
}

impl Timeline {
    /// Notes what is seen now, `at` this time since all began.
    pub(crate) fn note(&mut self, status: &Status, at: Duration) {
        for server in &status.servers {
            let now = Some(at);
            let away = self.servers.entry(server.name.clone()).or_default();
            let serves = server.sealed == Some(false) && server.role != "none";
            match away {
                Away { from: None, .. } if !serves => away.from = now,
                Away { from: Some(_), to } if to.is_none() && serves => *to = now,
                _ => {}
            }
        }
    }
}

impl Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let row = |(server, away): (&String, &Away)| {
            let (from, to) = (away.from?, away.to?);
            Some((from, vec![server.clone(), seconds(from), seconds(to.saturating_sub(from))]))
        };
        let mut rows: Vec<_> = self.servers.iter().filter_map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_by_key(|(from, _)| *from);
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        writeln!(f, "{}", output::table(&["SERVER", "WENT AFTER", "WAS AWAY FOR"], rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::Server;

    fn status(sealed: [Option<bool>; 2]) -> Status {
        let server = |(ordinal, sealed): (usize, Option<bool>)| Server {
            name: format!("vault-{ordinal}"),
            zone: None,
            address: String::new(),
            version: None,
            initialized: None,
            sealed,
            role: if sealed == Some(false) { "standby" } else { "none" }.to_owned(),
            voter: None,
            applied_index: None,
            certificate: None,
            image: None,
            last_end: None,
            why: Vec::new(),
        };
        Status {
            name: String::new(),
            target: String::new(),
            phase: String::new(),
            reason: String::new(),
            address: String::new(),
            servers: sealed.into_iter().enumerate().map(server).collect(),
            controllers: Vec::new(),
            conditions: Vec::new(),
        }
    }

    #[test]
    fn servers_stand_in_the_order_in_which_they_went() {
        let (serves, sealed, silent) = (Some(false), Some(true), None);
        let mut timeline = Timeline::default();
        let looks = [
            [serves, serves],
            [serves, silent],
            [serves, sealed],
            [silent, serves],
            [silent, serves],
            [serves, serves],
            [serves, silent],
        ];
        for (at, look) in (0..).zip(looks) {
            timeline.note(&status(look), Duration::from_millis(500 * at));
        }
        let expected = "\
SERVER   WENT AFTER  WAS AWAY FOR
vault-1  0.5 s       1.0 s
vault-0  1.5 s       1.0 s

";
        assert_eq!(timeline.to_string(), expected);
    }
}

//! Which server was away when, in a rollout.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::control::wire::Status;
use crate::output;

/// When each server went and came back.
#[derive(Default)]
pub(crate) struct Timeline {
    servers: BTreeMap<String, Absences>,
}

/// The absences of one server, in the time since all began.
#[derive(Default)]
struct Absences {
    /// Whether it was there at all. One that is only about to come is not away.
    came: bool,
    /// Since when it is away now.
    since: Option<Duration>,
    /// When the longest of those before began, and how long it was. One that is replaced is away for longer
    /// than one that was late with an answer.
    longest: Option<(Duration, Duration)>,
}

impl Timeline {
    /// Notes what is seen now, `at` this time since all began.
    pub(crate) fn note(&mut self, status: &Status, at: Duration) {
        for server in &status.servers {
            let absences = self.servers.entry(server.name.clone()).or_default();
            let serves = server.sealed == Some(false) && server.role != "none";
            absences.came |= serves;
            if !absences.came {
                continue;
            }
            if !serves {
                absences.since.get_or_insert(at);
            } else if let Some(since) = absences.since.take() {
                let lasted = at.saturating_sub(since);
                absences.longest = absences
                    .longest
                    .filter(|(_, longest)| *longest >= lasted)
                    .or(Some((since, lasted)));
            }
        }
    }
}

impl Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let row = |(server, absences): (&String, &Absences)| {
            let (from, lasted) = absences.longest?;
            Some((from, vec![server.clone(), seconds(from), seconds(lasted)]))
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
            snapshots: None,
        }
    }

    #[test]
    fn one_that_comes_was_not_away_before() {
        let mut timeline = Timeline::default();
        for look in [Some(true), Some(false)] {
            timeline.note(&status([Some(false), look]), Duration::ZERO);
        }
        assert_eq!(timeline.to_string(), "");
    }

    #[test]
    fn servers_stand_in_the_order_in_which_they_went() {
        let (serves, sealed, silent) = (Some(false), Some(true), None);
        let mut timeline = Timeline::default();
        let looks = [
            [serves, serves],
            [silent, silent],
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

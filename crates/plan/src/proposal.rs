//! What a changed document means for servers that run, told before anything happens.

use std::fmt::{self, Display};

use vaultyard_model::{Cluster, Version};

use crate::versions::Passage;

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// From which version to which, and whether there is a way back.
    pub version: Option<(Version, Version, Passage)>,
    /// Whether servers get another configuration.
    pub configuration: bool,
    /// How many servers there were, and are to be.
    pub servers: (u8, u8),
    /// Whether a snapshot comes before another version, as it does unless a person wants none.
    pub snapshot: bool,
}

impl Proposal {
    /// What it takes to get from one document to another, as far as servers go; `passage` is what it is to
    /// come to another version.
    pub fn between(old: &Cluster, new: &Cluster, passage: Passage) -> Self {
        let (before, after) = (&old.servers, &new.servers);
        let version = (before.version != after.version)
            .then(|| (before.version.clone(), after.version.clone(), passage));
        let configuration = before.configuration != after.configuration
            || before.performance_multiplier != after.performance_multiplier;
        let servers = (before.replicas.count(), after.replicas.count());
        Self { version, configuration, servers, snapshot: true }
    }

    /// Whether nothing would be done.
    pub fn is_empty(&self) -> bool {
        !self.replaces() && self.servers.0 == self.servers.1
    }

    /// Whether servers are replaced.
    pub fn replaces(&self) -> bool {
        self.version.is_some() || self.configuration
    }
}

impl Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("No changes: the servers are as the document says.");
        }
        if let Some((before, after, _)) = &self.version {
            writeln!(f, "~ spec.servers.version: {before} → {after}")?;
        }
        if self.configuration {
            writeln!(f, "~ the servers' configuration")?;
        }
        let (before, after) = self.servers;
        if before != after {
            writeln!(f, "~ spec.servers.replicas: {before} → {after}")?;
        }
        f.write_str("Plan: ")?;
        if before > after {
            f.write_str(&fewer(before - after))?;
        }
        if self.replaces() {
            // Those that come begin as what the others become.
            let servers = before.min(after);
            let separator = if before > after { "\n      " } else { "" };
            let how = how_replaced(servers);
            match servers {
                1 => write!(f, "{separator}the server is {how}.")?,
                servers => write!(f, "{separator}{servers} servers are {how}.")?,
            }
        }
        if before < after {
            let separator = if self.replaces() { "\n      " } else { "" };
            write!(f, "{separator}{}", more(after - before))?;
        }
        let Some((before, after, passage)) = &self.version else { return Ok(()) };
        let snapshot = if self.snapshot { "one is taken first" } else { WITHOUT_SNAPSHOT };
        let way_back = way_back(before, after, *passage, self.snapshot);
        write!(f, "\n  snapshot    {snapshot}\n  way back    {way_back}")
    }
}

/// What is said of servers that go.
fn fewer(count: u8) -> String {
    let who = match count {
        1 => "the last server is".to_owned(),
        some => format!("the last {some} servers are, one after another,"),
    };
    format!("{who} taken out of raft and ended; their data is removed.")
}

/// What is said of servers that come.
fn more(count: u8) -> String {
    match count {
        1 => "1 server is added, and waited for until it votes.".to_owned(),
        some => {
            format!("{some} servers are added one after another, each when the one before votes.")
        }
    }
}

/// What is said of the snapshot where a person wants none.
pub const WITHOUT_SNAPSHOT: &str = "none is taken";

/// What leads from the new version back to the old one, with a snapshot of before or without one.
pub fn way_back(before: &Version, after: &Version, passage: Passage, snapshot: bool) -> String {
    match (passage, snapshot) {
        (Passage::BothWays, _) => {
            format!("{after} and {before} each lead on what the other has written")
        }
        (Passage::OneWay, true) => format!(
            "none but that snapshot, once a server of {after} has led: what was written after it would \
             be lost"
        ),
        (Passage::OneWay, false) => {
            format!(
                "none, once a server of {after} has led: {before} cannot read what that has written"
            )
        }
    }
}

/// What so many servers are when another configuration or version is declared.
pub fn how_replaced(servers: u8) -> &'static str {
    match servers {
        1 => {
            "replaced; requests wait meanwhile, and those that wait too long fail: there is no other \
             one"
        }
        _ => {
            "replaced one after another, the leader last; requests wait for a moment while another \
             one takes its place"
        }
    }
}

#[cfg(test)]
mod tests {
    use vaultyard_testkit::sample;

    use super::*;
    use crate::versions;

    fn proposal(servers: u64, version: &str, multiplier: u8) -> String {
        let mut old = sample::cluster(servers);
        old.servers.version = Version::new("2.6.2").unwrap();
        let mut new = old.clone();
        new.servers.version = Version::new(version).unwrap();
        new.servers.performance_multiplier = multiplier;
        let passage =
            versions::passage(new.servers.software, &old.servers.version, &new.servers.version);
        Proposal::between(&old, &new, passage.unwrap()).to_string()
    }

    #[test]
    fn nothing_is_proposed_for_the_same_document() {
        assert_eq!(proposal(3, "2.6.2", 1), "No changes: the servers are as the document says.");
    }

    #[test]
    fn another_version_says_what_cannot_be_undone() {
        let expected = "\
~ spec.servers.version: 2.6.2 → 2.7.2
Plan: 3 servers are replaced one after another, the leader last; requests wait for a moment while \
another one takes its place.
  snapshot    one is taken first
  way back    none but that snapshot, once a server of 2.7.2 has led: what was written after it would \
be lost";
        assert_eq!(proposal(3, "2.7.2", 1), expected);
        let old = Version::new("2.6.2").unwrap();
        let without = way_back(&old, &Version::new("2.7.2").unwrap(), Passage::OneWay, false);
        assert!(without.starts_with("none, once a server of 2.7.2 has led"), "{without}");
        let back = "way back    2.6.3 and 2.6.2 each lead on what the other has written";
        assert!(proposal(3, "2.6.3", 1).ends_with(back));
    }

    #[test]
    fn servers_that_come_and_go_are_told_in_the_order_in_which_they_do() {
        let scaled = |from, to, multiplier| {
            let old = sample::cluster(from);
            let mut new = sample::cluster(to);
            new.servers.performance_multiplier = multiplier;
            Proposal::between(&old, &new, Passage::BothWays).to_string()
        };
        let expected = "\
~ spec.servers.replicas: 3 → 5
Plan: 2 servers are added one after another, each when the one before votes.";
        assert_eq!(scaled(3, 5, 1), expected);
        let expected = "\
~ the servers' configuration
~ spec.servers.replicas: 5 → 3
Plan: the last 2 servers are, one after another, taken out of raft and ended; their data is removed.
      3 servers are replaced one after another, the leader last; requests wait for a moment while another \
one takes its place.";
        assert_eq!(scaled(5, 3, 5), expected);
    }

    #[test]
    fn another_configuration_needs_no_snapshot_and_a_single_server_is_missed() {
        let expected = "\
~ the servers' configuration
Plan: the server is replaced; requests wait meanwhile, and those that wait too long fail: there is no \
other one.";
        assert_eq!(proposal(1, "2.6.2", 5), expected);
    }
}

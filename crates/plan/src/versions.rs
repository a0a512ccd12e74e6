//! Which version of the servers may follow which, and what cannot be undone then.
//!
//! A matrix as data, in which each row says where it is known from. What no row says is refused: where
//! a server leads that cannot read what another has written, nobody leads any more.

use std::fmt::{self, Display};

use jiff::Timestamp;
use vaultyard_model::port::rollout::VersionChange;
use vaultyard_model::{Minor, Software, Version};

/// What a change of version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Each of the two leads on what the other has written: the way back is the way there.
    BothWays,
    /// Once the newer one has led, the older one cannot lead any more: the way back is a snapshot from
    /// before the first change of leader.
    OneWay,
}

/// Why one version may not follow another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    from: Minor,
    to: Minor,
    why: Why,
    open: Vec<Target>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The newer minor writes what the older one cannot read.
    Older,
    /// Servers of the two do not work side by side.
    Broken(&'static str),
    /// No row says anything.
    Unknown,
}

/// The versions of a minor from this patch release on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    minor: Minor,
    patch: u64,
}

struct Row {
    software: Software,
    from: Minor,
    to: Target,
    goes: Result<Passage, &'static str>,
}

/// Between minors. Patch releases of one minor go both ways: OpenBao 2.7.1 and 2.7.2 were seen to.
const ROWS: [Row; 3] = [
    Row {
        software: Software::OpenBao,
        from: Minor::new(2, 6),
        to: Target { minor: Minor::new(2, 7), patch: 0 },
        // Measured with 2.6.1, 2.6.2 and 2.7.2: no request fails on the way; afterwards the older ones
        // end their turn as leader with "failed to load response wrapping policy".
        goes: Ok(Passage::OneWay),
    },
    Row {
        software: Software::OpenBao,
        from: Minor::new(2, 5),
        to: Target { minor: Minor::new(2, 6), patch: 0 },
        goes: Err("they forward requests to each other by different names (openbao#3899)"),
    },
    Row {
        software: Software::OpenBao,
        from: Minor::new(2, 5),
        // The first one that answers to both names: openbao#3900. Not tried by us.
        to: Target { minor: Minor::new(2, 7), patch: 1 },
        goes: Ok(Passage::OneWay),
    },
];

/// What it is to go from one version to another of the same software.
///
/// # Errors
/// [`Refused`], with the ways that are open instead.
pub fn passage(software: Software, from: &Version, to: &Version) -> Result<Passage, Refused> {
    if from.minor() == to.minor() {
        return Ok(Passage::BothWays);
    }
    let from_here =
        || ROWS.iter().filter(|row| (row.software, row.from) == (software, from.minor()));
    let row = from_here().find(|row| row.to.minor == to.minor() && row.to.patch <= to.patch());
    let why = match row.map(|row| row.goes) {
        Some(Ok(passage)) => return Ok(passage),
        Some(Err(why)) => Why::Broken(why),
        None if to.minor() < from.minor() => Why::Older,
        None => Why::Unknown,
    };
    let open = from_here().filter(|row| row.goes.is_ok()).map(|row| row.to).collect();
    Err(Refused { from: from.minor(), to: to.minor(), why, open })
}

/// Why no server may come to `to` while one of the version `led_by` leads: it could not read what that
/// writes.
pub fn barred(software: Software, led_by: &Version, to: &Version) -> Option<String> {
    let refused = passage(software, led_by, to).err()?;
    Some(format!("a server of {led_by} leads: {refused}; declare {led_by} again"))
}

/// Why there is no way back by declaring the version of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoWayBack {
    /// The version that is declared was not the end of a change.
    NotChanged {
        /// What the last change was to.
        towards: Version,
        /// What is declared.
        declared: Version,
    },
    /// The version of before is a newer one: the last change was a way back itself.
    Forward {
        /// What the change was to.
        towards: Version,
        /// What it was from.
        before: Version,
    },
    /// The new version has written what the old one cannot read.
    Passed {
        /// What the change was to.
        towards: Version,
        /// What it was from.
        before: Version,
        /// The snapshot that the change is bound to, if one was wanted.
        snapshot: Option<String>,
        /// When that was taken, or would have been.
        taken: Timestamp,
    },
}

impl Display for NoWayBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChanged { towards, declared } => {
                write!(f, "the last change of version was to {towards}, and {declared} is declared")
            }
            Self::Forward { towards, before } => write!(
                f,
                "the last change of version was back from {before} to {towards}; `vaultyard upgrade --to {before}` \
                 goes forward again"
            ),
            Self::Passed { towards, before, snapshot, taken } => {
                write!(
                    f,
                    "{towards} has led since, and {before} cannot lead on what it has written. "
                )?;
                match snapshot {
                    Some(snapshot) => write!(
                        f,
                        "What was before lies in the snapshot {snapshot} of {taken:.0}; whoever goes back to that \
                         loses all that was written after it"
                    ),
                    None => write!(f, "No snapshot was wanted before the change of {taken:.0}"),
                }
            }
        }
    }
}

/// The version to declare in place of `declared`, to undo this change.
///
/// # Errors
/// [`NoWayBack`].
pub fn way_back(
    software: Software,
    change: &VersionChange,
    declared: &Version,
) -> Result<Version, NoWayBack> {
    let VersionChange { from, towards, snapshot, taken, .. } = change;
    let not_changed =
        || NoWayBack::NotChanged { towards: towards.clone(), declared: declared.clone() };
    // Of several, the newest is what an earlier change was on its way to.
    let before = from.last().filter(|_| towards == declared).ok_or_else(not_changed)?;
    if before > towards {
        return Err(NoWayBack::Forward { towards: towards.clone(), before: before.clone() });
    }
    match passage(software, towards, before) {
        Err(_) if !change.leads_back_to(before) => Err(NoWayBack::Passed {
            towards: towards.clone(),
            before: before.clone(),
            snapshot: snapshot.clone(),
            taken: *taken,
        }),
        _ => Ok(before.clone()),
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            0 => write!(f, "{}", self.minor),
            patch => write!(f, "{}.{patch} or later", self.minor),
        }
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, why, open } = self;
        match why {
            Why::Older => {
                return write!(
                    f,
                    "{to} cannot lead on what {from} has written; the way back to an older minor is \
                     a snapshot that was taken under it"
                );
            }
            Why::Broken(why) => write!(f, "{from} and {to} do not work side by side: {why}")?,
            Why::Unknown => write!(f, "no way from {from} to this version is known")?,
        }
        let open: Vec<_> = open.iter().map(Target::to_string).collect();
        if open.is_empty() {
            write!(f, "; from {from} it is open to other releases of {from}")
        } else {
            write!(f, "; from {from} it is open to {}", open.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    #[test]
    fn an_older_minor_is_barred_once_a_newer_one_leads() {
        let barred = |led_by, to| barred(Software::OpenBao, &version(led_by), &version(to));
        assert_eq!(barred("2.6.2", "2.7.2"), None);
        assert_eq!(barred("2.7.2", "2.7.1"), None);
        let why = barred("2.7.2", "2.6.2").unwrap();
        assert!(why.starts_with("a server of 2.7.2 leads: 2.6 cannot lead on"), "{why}");
        assert!(why.ends_with("; declare 2.7.2 again"), "{why}");
    }

    #[test]
    fn the_way_back_is_open_until_a_newer_minor_has_led() {
        let change = |from: &[&str], towards, led| VersionChange {
            from: from.iter().map(|text| version(text)).collect(),
            towards: version(towards),
            snapshot: Some("20261129T225620Z".to_owned()),
            taken: Timestamp::UNIX_EPOCH,
            led,
        };
        let back = |change: &VersionChange, declared| {
            way_back(Software::OpenBao, change, &version(declared))
        };
        let within = change(&["2.7.1"], "2.7.2", true);
        assert_eq!(back(&within, "2.7.2"), Ok(version("2.7.1")));
        assert!(matches!(back(&within, "2.7.1"), Err(NoWayBack::NotChanged { .. })));
        let went_back = change(&["2.7.2"], "2.7.1", true);
        assert!(matches!(back(&went_back, "2.7.1"), Err(NoWayBack::Forward { .. })));
        let half = change(&["2.6.1", "2.6.2"], "2.7.2", false);
        assert_eq!(back(&half, "2.7.2"), Ok(version("2.6.2")));
        let passed = back(&change(&["2.6.2"], "2.7.2", true), "2.7.2").unwrap_err().to_string();
        assert!(passed.contains("20261129T225620Z") && passed.contains("2.6.2"), "{passed}");
        let without = VersionChange { snapshot: None, ..change(&["2.6.2"], "2.7.2", true) };
        let passed = back(&without, "2.7.2").unwrap_err().to_string();
        assert!(passed.contains("No snapshot was wanted"), "{passed}");
    }

    fn bao(from: &str, to: &str) -> Result<Passage, String> {
        let passage = passage(Software::OpenBao, &version(from), &version(to));
        passage.map_err(|refused| refused.to_string())
    }

    #[test]
    fn patch_releases_go_both_ways_and_a_new_minor_one_way() {
        assert_eq!(bao("2.7.1", "2.7.2"), Ok(Passage::BothWays));
        assert_eq!(bao("2.7.2", "2.7.1"), Ok(Passage::BothWays));
        assert_eq!(bao("2.6.2", "2.7.2"), Ok(Passage::OneWay));
        assert_eq!(bao("2.5.3", "2.7.1"), Ok(Passage::OneWay));
    }

    #[test]
    fn what_is_refused_says_which_way_is_open() {
        let broken = "2.5 and 2.6 do not work side by side: they forward requests to each other by \
                      different names (openbao#3899); from 2.5 it is open to 2.7.1 or later";
        assert_eq!(bao("2.5.3", "2.6.2").unwrap_err(), broken);
        let unknown =
            "no way from 2.5 to this version is known; from 2.5 it is open to 2.7.1 or later";
        assert_eq!(bao("2.5.3", "2.7.0").unwrap_err(), unknown);
        let nowhere = "no way from 2.7 to this version is known; from 2.7 it is open to other releases of 2.7";
        assert_eq!(bao("2.7.2", "2.8.0").unwrap_err(), nowhere);
        let older = "2.6 cannot lead on what 2.7 has written; the way back to an older minor is a \
                     snapshot that was taken under it";
        assert_eq!(bao("2.7.2", "2.6.2").unwrap_err(), older);
    }

    #[test]
    fn rows_are_of_one_software() {
        assert!(passage(Software::Vault, &version("2.6.2"), &version("2.7.2")).is_err());
        let patch = passage(Software::Vault, &version("1.21.0"), &version("1.21.1"));
        assert_eq!(patch, Ok(Passage::BothWays));
    }

    proptest! {
        #[test]
        fn what_goes_one_way_has_no_way_back(
            from in (0u64..4, 0u64..10, 0u64..4),
            to in (0u64..4, 0u64..10, 0u64..4),
            software in prop_oneof![Just(Software::OpenBao), Just(Software::Vault)],
        ) {
            let version = |(major, minor, patch)| version(&format!("{major}.{minor}.{patch}"));
            let (from, to) = (version(from), version(to));
            let (there, back) = (passage(software, &from, &to), passage(software, &to, &from));
            match there {
                Ok(Passage::BothWays) => prop_assert_eq!(back, Ok(Passage::BothWays)),
                Ok(Passage::OneWay) => prop_assert!(back.is_err()),
                Err(_) => prop_assert_ne!(back, Ok(Passage::BothWays)),
            }
        }
    }
}

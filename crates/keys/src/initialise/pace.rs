//! How soon the next round is due.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vaultyard_model::observed::ProcessSeen;

use super::Unsealer;
use super::reason::{Reason, Waiting};

/// All is well; a change of the process brings the next round forward.
pub(super) const REST: Duration = Duration::from_secs(1);
/// A server that has just been started answers within a tenth of a second.
const SOON: Duration = Duration::from_millis(10);
/// Another server, or the join, has to come first.
const OTHERS: Duration = Duration::from_millis(50);
/// A server that has been silent for long.
const LATE: Duration = Duration::from_millis(250);
const STUCK: Duration = Duration::from_secs(1);
/// How long a process counts as just started.
const YOUNG: SignedDuration = SignedDuration::from_secs(10);

/// After the n-th failure in a row: 20 ms, 40 ms, ... up to 2 s; 5 s when it does not pass.
pub(super) fn after_failures(times: u32, passes: bool) -> Duration {
    if !passes {
        return Duration::from_secs(5);
    }
    Duration::from_millis(20 << times.saturating_sub(1).min(6)).min(Duration::from_secs(2))
}

impl Unsealer {
    pub(super) fn pace(&self, reason: &Reason, now: Timestamp) -> Duration {
        match reason {
            Reason::Waiting(Waiting::Server(_) | Waiting::Odd(_)) if !self.is_young(now) => LATE,
            Reason::Waiting(Waiting::Server(_) | Waiting::Odd(_) | Waiting::Unsealing) => SOON,
            Reason::Waiting(
                Waiting::Peers(_)
                | Waiting::ToJoin
                | Waiting::Challenge
                | Waiting::Keys
                | Waiting::Seal,
            ) => OTHERS,
            Reason::Waiting(Waiting::Trouble(_) | Waiting::ToBeReplaced(_) | Waiting::TakenOut) => {
                LATE
            }
            Reason::Waiting(Waiting::Room { .. } | Waiting::LostAnswers { .. })
            | Reason::Stuck(_) => STUCK,
        }
    }

    fn is_young(&self, now: Timestamp) -> bool {
        match self.ports.host.process() {
            ProcessSeen::Running { since, .. } => now.duration_since(since) < YOUNG,
            _ => false,
        }
    }
}

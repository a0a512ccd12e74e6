//! An answer of `sys/init` is in memory: bring it to safety.

use super::{Decided, Decision};
use crate::initialise::seen::{Answer, Seen};
use crate::initialise::step::Step;

/// First the server's own volume, which is near; then the store; then the proof. A volume that
/// takes nothing does not keep the answer from the store.
pub(super) fn decide(seen: &Seen, held: &Answer) -> Decided {
    Ok(Decision::Do(match held {
        Answer { kept: None, .. } => Step::KeepAnswerOnVolume,
        Answer { stored: false, .. } => Step::StoreKeys,
        // Proven keys are not an answer any more; so this one is not proven yet.
        Answer { generation, .. } => {
            debug_assert!(!seen.memory.proven);
            Step::ProveKeys(generation.clone())
        }
    }))
}

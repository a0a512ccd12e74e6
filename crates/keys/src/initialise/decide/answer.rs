//! An answer of `sys/init` is in memory: bring it to safety.

use super::{Decided, Decision};
use crate::initialise::seen::Answer;
use crate::initialise::step::Step;

/// First the server's own volume, which is near; then the store; then the proof, after which it is
/// not an answer any more but the cluster's keys. A volume that takes nothing does not keep the
/// answer from the store.
pub(super) fn decide(held: &Answer) -> Decided {
    Ok(Decision::Do(match held {
        Answer { kept: None, .. } => Step::KeepAnswerOnVolume,
        Answer { stored: false, .. } => Step::StoreKeys,
        Answer { generation, .. } => Step::ProveKeys(generation.clone()),
    }))
}

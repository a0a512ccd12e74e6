//! Changes to what all clusters share, which are taken back whatever becomes of the test.

use std::process::Command;

use super::Machines;
use crate::home::Said;

/// Takes back what was done to the machines, when it is dropped.
#[derive(Debug)]
pub struct Undo<'a> {
    words: Vec<String>,
    _machines: &'a Machines<'static>,
}

impl<'a> Undo<'a> {
    /// By these words to `kubectl`.
    ///
    /// # Panics
    /// When others use the machines.
    #[must_use]
    #[track_caller]
    pub fn of(machines: &'a Machines<'static>, words: &[impl AsRef<str>]) -> Self {
        assert!(matches!(machines, Machines::Own(_)), "others use these machines");
        let words = words.iter().map(|word| word.as_ref().to_owned()).collect();
        Self { words, _machines: machines }
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let said = Said::of(Command::new("kubectl").args(&self.words));
        if said.code != Some(0) {
            eprintln!("not taken back: kubectl {}: {}", self.words.join(" "), said.stderr);
        }
    }
}

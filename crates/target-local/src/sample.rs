//! Randomness, for tests.

use std::io::Read;

use vaultyard_model::port::clock::Random;

/// The kernel's randomness.
pub(crate) struct Dice;

impl Random for Dice {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(bytes))
            .map_err(|error| error.to_string())
    }
}

//! Time and randomness, as arguments.

use jiff::Timestamp;

/// The wall clock.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// A source of unpredictable bytes, fit for keys.
pub trait Random: Send + Sync {
    /// Fills the buffer.
    ///
    /// # Errors
    /// The text of the operating system's error.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String>;
}

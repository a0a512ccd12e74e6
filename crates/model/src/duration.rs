//! Durations as people of this field write them: `30s`, `10m`, `720h`.

use std::fmt;
use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a duration; write for example 300ms, 30s, 10m, 1h30m or 720h")]
pub struct DurationError;

/// Reads the form that Go's `time.ParseDuration` and Kubernetes' `metav1.Duration` share, for the
/// units h, m, s and ms, each with a whole number.
///
/// # Errors
/// [`DurationError`] when the text is something else or does not fit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(DurationError);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError)?;
        let count: u64 = rest[..digits].parse().map_err(|_| DurationError)?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let milliseconds = match &rest[..letters] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(DurationError),
        };
        rest = &rest[letters..];
        let part = count.checked_mul(milliseconds).ok_or(DurationError)?;
        total = total.checked_add(Duration::from_millis(part)).ok_or(DurationError)?;
    }
    Ok(total)
}

/// Shows a duration for people, in its two largest units: `3m12s`, `41d3h`, `0.2s`.
pub struct Short(pub Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..=9 => write!(f, "{:.1}s", self.0.as_secs_f64()),
            10..=59 => write!(f, "{seconds}s"),
            60..=3_599 => write!(f, "{}m{}s", seconds / 60, seconds % 60),
            3_600..=86_399 => write!(f, "{}h{}m", seconds / 3_600, seconds / 60 % 60),
            _ => write!(f, "{}d{}h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse("300ms"), Ok(Duration::from_millis(300)));
        for wrong in ["", "30", "s", "-1s", "1d", "1.5h", "99999999999999999999h"] {
            assert_eq!(parse(wrong), Err(DurationError), "{wrong}");
        }
    }

    #[test]
    fn durations_are_shown_in_two_units() {
        assert_eq!(Short(Duration::from_millis(240)).to_string(), "0.2s");
        assert_eq!(Short(Duration::from_secs(192)).to_string(), "3m12s");
        assert_eq!(Short(Duration::from_secs(41 * 86_400 + 3 * 3_600)).to_string(), "41d3h");
    }
}

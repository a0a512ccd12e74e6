//! Numbers of bytes as Kubernetes writes them: `10Gi`, `256Mi`.

use std::fmt;

/// Shows a number of bytes with the greatest binary unit that leaves a whole number.
pub struct Binary(pub u64);

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        let units = ["Ti", "Gi", "Mi", "Ki"].into_iter().zip([40, 30, 20, 10]);
        let mut fitting = units.filter(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
        match fitting.next() {
            Some((unit, shift)) => write!(f, "{}{unit}", bytes >> shift),
            None => write!(f, "{bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_greatest_unit_that_leaves_a_whole_number() {
        for (bytes, text) in [
            (10 << 30, "10Gi"),
            (1 << 40, "1Ti"),
            (256 << 20, "256Mi"),
            (1536 << 20, "1536Mi"),
            (10_000_000_000, "9765625Ki"),
            (1001, "1001"),
            (0, "0"),
        ] {
            assert_eq!(Binary(bytes).to_string(), text);
        }
    }
}

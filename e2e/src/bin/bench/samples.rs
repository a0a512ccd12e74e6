//! Medians and the like, and figures as people read them.

use std::time::Duration;

/// Measured values of one thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        // Of an even number of values, the middle of the two in the middle.
        f64::midpoint(
            self.quantile(0.5),
            -Self(self.0.iter().map(|it| -it).collect()).quantile(0.5),
        )
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The value that this share of the values does not exceed; NaN when there is none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list, between 0 and its last"
        )]
        let place = (share * last as f64).round() as usize;
        sorted[place.min(last)]
    }

    /// Quotients of values that were measured one after the other.
    pub(crate) fn over(&self, other: &Self) -> Self {
        std::iter::zip(&self.0, &other.0).map(|(ours, theirs)| ours / theirs).collect()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(values: I) -> Self {
        values.into_iter().map(|value| value.as_secs_f64()).collect()
    }
}

/// `0.134 s`
pub(crate) fn seconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.3} s") } else { format!("{value:.1} s") }
}

/// `0.134 s, max 0.201 s`
pub(crate) fn median_and_max(samples: &Samples) -> String {
    format!("{}, max {}", seconds(samples.median()), seconds(samples.max()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_mind_the_order() {
        let samples: Samples = [3.0, 1.0, 2.0].into_iter().collect();
        assert!((samples.median() - 2.0).abs() < f64::EPSILON);
        assert!((samples.max() - 3.0).abs() < f64::EPSILON);
        let samples: Samples = [4.0, 1.0].into_iter().collect();
        assert!((samples.median() - 2.5).abs() < f64::EPSILON);
        assert!(Samples::default().median().is_nan());
    }
}

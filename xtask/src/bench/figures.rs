//! What a handful of measured values says: the middle, the spread, and how far one row of them lies from another.

use serde::Serialize;

/// The middle value, or the mean of the two in the middle; zero of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Linear between the two nearest values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among values that fit in memory"
)]
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    let (Some(below), Some(above)) = (sorted.get(low), sorted.get(high)) else { return 0.0 };
    below + (above - below) * (at - at.floor())
}

/// The middle half of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        Self { low: quantile(values, 0.25), median: median(values), high: quantile(values, 0.75) }
    }
}

/// A subject against its baselines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Comparison {
    pub(crate) baseline: Spread,
    pub(crate) subject: Spread,
    /// Of the rounds: subject minus the mean of the baselines before and after it.
    pub(crate) difference: Spread,
    /// Of the rounds: subject by the same mean.
    pub(crate) ratio: Spread,
}

/// One round: what the subject took, and the baselines before and after it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Round {
    pub(crate) before: f64,
    pub(crate) subject: f64,
    pub(crate) after: f64,
}

impl Comparison {
    pub(crate) fn of(rounds: &[Round]) -> Self {
        let spread = |value: fn(&Round) -> f64| Spread::of(&rounds.iter().map(value).collect::<Vec<_>>());
        Self {
            baseline: spread(Round::baseline),
            subject: spread(|round| round.subject),
            difference: spread(|round| round.subject - round.baseline()),
            ratio: spread(|round| round.subject / round.baseline()),
        }
    }
}

impl Round {
    fn baseline(&self) -> f64 {
        f64::midpoint(self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
        assert!((quantile(&[0.0, 10.0, 20.0, 30.0, 40.0], 0.25) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_machine_that_slows_down_does_not_look_like_a_subject_that_costs() {
        let rounds: Vec<Round> = [100.0, 200.0, 400.0]
            .map(|base| Round { before: base, subject: base * 1.5 + 10.0, after: base * 2.0 })
            .to_vec();
        let comparison = Comparison::of(&rounds);
        assert!((comparison.difference.median - 10.0).abs() < 1e-9);
        assert!((comparison.ratio.median - (310.0 / 300.0)).abs() < 1e-9);
    }
}

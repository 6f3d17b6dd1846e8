//! How many writes this node may make: a token bucket, as the generic cell rate algorithm. Pure; time comes as a value.

use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// Full at the start: what a minute may bring can come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Between two writes in the long run.
    interval: Duration,
    /// How far ahead of its time a write may be.
    slack: Duration,
    /// When the next write would be due if none came early.
    due: Duration,
}

impl Budget {
    /// `per_minute` of 0 counts as 1.
    pub(super) fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        let interval = MINUTE / per_minute;
        Self { interval, slack: interval * (per_minute - 1), due: Duration::ZERO }
    }

    /// Takes one write, if there is one left.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        if self.next() > now {
            return false;
        }
        self.due = self.due.max(now) + self.interval;
        true
    }

    /// When the next one may be taken.
    pub(super) fn next(&self) -> Duration {
        self.due.saturating_sub(self.slack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_one_after_the_other() {
        let mut budget = Budget::new(6);
        let start = SECOND * 1_000;
        assert_eq!((0..10).filter(|_| budget.take(start)).count(), 6);
        assert!(!budget.take(start + SECOND * 9));
        assert_eq!(budget.next(), start + SECOND * 10);
        assert!(budget.take(start + SECOND * 10));
        assert!(!budget.take(start + SECOND * 10));
    }

    #[test]
    fn silence_fills_it_and_not_beyond_a_minutes_worth() {
        let mut budget = Budget::new(3);
        assert_eq!((0..9).filter(|_| budget.take(SECOND)).count(), 3);
        assert_eq!((0..9).filter(|_| budget.take(SECOND * 100_000)).count(), 3);
    }

    #[test]
    fn no_hour_has_more_than_the_rate_and_one_minutes_worth() {
        let mut budget = Budget::new(10);
        let taken = (0..3_600_000).filter(|ms| budget.take(Duration::from_millis(*ms))).count();
        assert_eq!(taken, 10 * 60 + 9);
    }
}

//! The table at the end of a test run, and the one line that sums it up.

use std::fmt;
use std::time::Duration;

use super::tally::Tally;

/// What became of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) ring: &'static str,
    pub(super) verdict: Verdict,
    pub(super) tally: Tally,
    pub(super) took: Duration,
}

/// The sums over all rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) unsteady: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)?;
        match self.unsteady {
            0 => Ok(()),
            unsteady => write!(f, ", {unsteady} of the passed only at the second try"),
        }
    }
}

/// Adds up tests. A ring that failed without a failing test counts as one failure, a skipped ring as one skipped.
pub(super) fn totals(rows: &[Row]) -> Totals {
    let mut totals = Totals { passed: 0, failed: 0, skipped: 0, unsteady: 0 };
    for row in rows {
        totals.passed += row.tally.passed.saturating_sub(row.tally.skipped);
        totals.skipped += row.tally.ignored + row.tally.skipped;
        totals.unsteady += row.tally.unsteady.len();
        match row.verdict {
            Verdict::Passed => {}
            Verdict::Failed(_) => totals.failed += row.tally.failed.max(1),
            Verdict::Skipped(_) => totals.skipped += 1,
        }
    }
    totals
}

/// The lines of the table, header first.
pub(super) fn table(rows: &[Row]) -> Vec<String> {
    let header = line("ring", "result", "tests", "seconds", "why");
    std::iter::once(header)
        .chain(rows.iter().map(|row| {
            let (result, why) = match &row.verdict {
                Verdict::Passed if row.tally.unsteady.is_empty() => ("ran", String::new()),
                Verdict::Passed => {
                    ("UNSTEADY", format!("only at the second try: {}", row.tally.unsteady.join(", ")))
                }
                Verdict::Failed(why) => ("FAILED", why.clone()),
                Verdict::Skipped(why) => ("skipped", why.clone()),
            };
            let run = row.tally.passed + row.tally.failed;
            let tests = if run == 0 { "-".to_owned() } else { run.to_string() };
            line(row.ring, result, &tests, &super::seconds(row.took), &why)
        }))
        .collect()
}

fn line(ring: &str, result: &str, tests: &str, seconds: &str, why: &str) -> String {
    format!("{ring:<11} {result:<8} {tests:>6} {seconds:>8}  {why}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict, passed: usize, failed: usize) -> Row {
        Row {
            ring: "unit",
            verdict,
            tally: Tally { passed, failed, ..Tally::default() },
            took: Duration::from_millis(1250),
        }
    }

    #[test]
    fn a_failed_ring_without_failed_tests_is_a_failure() {
        let rows = [row(Verdict::Passed, 5, 0), row(Verdict::Failed("fmt".to_owned()), 0, 0)];
        assert_eq!(totals(&rows).to_string(), "5 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn failed_tests_and_skipped_rings_are_counted() {
        let rows =
            [row(Verdict::Failed("x".to_owned()), 5, 2), row(Verdict::Skipped("no root".to_owned()), 0, 0)];
        assert_eq!(totals(&rows).to_string(), "5 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_passed_at_the_second_try_is_named_and_counted() {
        let mut row = row(Verdict::Passed, 5, 1);
        row.tally.make_unsteady(&["a::b".to_owned()]);
        let rows = [row];
        assert_eq!(
            totals(&rows).to_string(),
            "6 passed, 0 failed, 0 skipped, 1 of the passed only at the second try"
        );
        assert_eq!(table(&rows)[1], "unit        UNSTEADY      6      1.2  only at the second try: a::b");
    }

    #[test]
    fn the_table_tells_why_a_ring_was_skipped() {
        let lines = table(&[row(Verdict::Skipped("no root".to_owned()), 0, 0)]);
        assert_eq!(lines[1], "unit        skipped       -      1.2  no root");
    }
}

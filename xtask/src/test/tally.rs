//! Counts tests from the lines that the test harness prints at the end of each binary.

/// What a live test prints at the start of a line when this machine lacks what it needs; the test itself passes.
const SKIPPED: &str = "SKIPPED (";

/// How many tests did what.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) ignored: usize,
    /// Passed without having looked.
    pub(super) skipped: usize,
    /// Failed at first, and passed when they ran alone. They count as passed, too.
    pub(super) unsteady: Vec<String>,
}

impl Tally {
    /// These tests failed at first and have passed since.
    pub(super) fn make_unsteady(&mut self, names: &[String]) {
        self.failed = self.failed.saturating_sub(names.len());
        self.passed += names.len();
        self.unsteady.extend_from_slice(names);
    }

    /// Adds a line of output, if it is a result line or tells of something that was skipped.
    pub(super) fn count(&mut self, line: &str) {
        self.skipped += usize::from(line.starts_with(SKIPPED));
        let Some((_, counts)) =
            line.trim().strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_add_up() {
        let mut tally = Tally::default();
        tally.count("running 3 tests");
        tally.count("test a ... ok");
        tally.count("SKIPPED (1 so far): podman: it is not installed");
        tally.count(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.10s",
        );
        tally.count(
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
        );
        assert_eq!(tally, Tally { passed: 14, failed: 3, ignored: 1, skipped: 1, unsteady: Vec::new() });
    }

    #[test]
    fn a_test_that_prints_something_alike_does_not_count() {
        let mut tally = Tally::default();
        tally.count("4 passed; 1 failed");
        tally.count("test result: nonsense");
        tally.count("test result: ok. many passed; x failed");
        assert_eq!(tally, Tally::default());
    }
}

//! Runs the tests that failed once more, alone: on a shared machine that tells a broken rule from a crowded moment.

use std::process::Command;

/// More failures than these are no accident.
const MAX: usize = 5;

/// The names of the tests that failed, read from the output of a test binary.
#[derive(Debug, Default)]
pub(super) struct Failures {
    names: Vec<String>,
    is_list: bool,
}

impl Failures {
    /// Reads a line along. The harness lists the names behind the last line `failures:`.
    pub(super) fn see(&mut self, line: &str) {
        if line == "failures:" {
            self.names.clear();
            self.is_list = true;
        } else if line.starts_with("test result:") {
            self.is_list = false;
        } else if let (true, Some(name)) = (self.is_list, line.strip_prefix("    "))
            && !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':')
        {
            self.names.push(name.to_owned());
        }
    }

    /// The names, unless there are so many that a second run would only hide what is wrong.
    pub(super) fn few(self) -> Option<Vec<String>> {
        (1..=MAX).contains(&self.names.len()).then_some(self.names)
    }
}

/// The step that runs these tests alone: what stands before the harness's own arguments stays.
pub(super) fn step(first: &Command, names: &[String]) -> Command {
    let mut again = Command::new(first.get_program());
    again.args(first.get_args().take_while(|arg| *arg != "--"));
    for (name, value) in first.get_envs() {
        match value {
            Some(value) => again.env(name, value),
            None => again.env_remove(name),
        };
    }
    if let Some(directory) = first.get_current_dir() {
        again.current_dir(directory);
    }
    again.args(["--", "--test-threads=1", "--exact"]).args(names);
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(output: &str) -> Option<Vec<String>> {
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.see(line));
        failures.few()
    }

    #[test]
    fn names_come_from_the_list_and_not_from_what_a_test_printed() {
        let output = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\n    printed\nfailures:\n    a::b\n    c\n\n\
                      test result: FAILED. 1 passed; 2 failed\n    d";
        assert_eq!(names(output).unwrap(), ["a::b", "c"]);
    }

    #[test]
    fn many_failures_and_none_have_no_second_run() {
        let many: Vec<String> = (0..=MAX).map(|n| format!("    t{n}")).collect();
        assert_eq!(names(&format!("failures:\n{}", many.join("\n"))), None);
        assert_eq!(names("test result: ok. 3 passed"), None);
    }

    #[test]
    fn the_second_run_is_of_these_tests_alone_one_at_a_time() {
        let mut first = Command::new("cargo");
        first.args(["test", "--test", "live", "--", "--skip", "storms::", "--test-threads=2"]).env("A", "1");
        let again = step(&first, &["a::b".to_owned()]);
        let args: Vec<_> = again.get_args().collect();
        assert_eq!(args, ["test", "--test", "live", "--", "--test-threads=1", "--exact", "a::b"]);
        assert_eq!(again.get_envs().count(), 1);
    }
}

//! Output of `go test -v` went through a terminal, which ends each line with CR LF.

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    wording::{config, kernel},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        fact::Config,
        text::inert,
    },
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "tty-carriage-returns",
    severity: Severity::Info,
    title: "Go tests ran on a terminal: every line of their output ends with a carriage return",
    symptom: "`go test -v` output from a container has `^M` at the ends of its lines; tools that parse it (`go tool \
        test2json`, `grep -x`, a diff) find nothing.",
    evidence: "The configuration asks for a terminal (`terminal: true`, `docker run -t`, `tty: true` in a pod), and the \
        container runs Go tests: its arguments say so, or a program `*.test` was executed.",
    look_alikes: "- The same image without `-t`: no carriage returns, nothing to say.\n\
        - BusyBox has nothing to do with it: its `echo` writes what it is given, and the terminal adds the CR in every \
        image (`stty onlcr`).\n\
        - CAP_SYS_PTRACE and debuggers change nothing about it.",
    remedy: "Run tests without a terminal, or let the terminal alone: `docker run --rm image go test -v ./...` without `-t`; \
        `stty -onlcr` where a terminal is needed.",
    limits: "The bytes themselves are not read. The terminal of a `docker exec -t` is not in the configuration.",
    brought_about_by: &[],
    needs: &[Need::Config, Need::Probe(Probe::Exec)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

fn find(case: &Case) -> Option<Finding> {
    let options = case.config.get().filter(|config| config.terminal)?;
    let ran = case.executed().find(|(path, _)| is_test_binary(path));
    let (what, confidence) = match (said(options), ran) {
        (Some(command), _) => (config(format!("the container runs \"{command}\"")), Confidence::Certain),
        // Whether it was asked to be verbose does not show; the terminal adds its CR all the same.
        (None, Some((path, at))) => (kernel(at, format!("{} was executed", inert(path))), Confidence::Medium),
        (None, None) => return None,
    };
    Some(finding(case, what, confidence))
}

fn finding(case: &Case, what: Evidence, confidence: Confidence) -> Finding {
    Finding {
        severity: Severity::Info,
        confidence,
        subject: "terminal".to_owned(),
        summary: "Go tests run on a terminal, which ends each line of their output with CR LF".to_owned(),
        evidence: vec![config("the container has a terminal (terminal: true)"), what],
        remedy: "docker run --rm IMAGE go test -v ./...   # without -t; in a pod: tty: false".to_owned(),
        at: case.appeared_at,
    }
}

/// The arguments, where they run tests verbosely.
fn said(config: &Config) -> Option<String> {
    let line = config.args.join(" ");
    let words: Vec<&str> = line.split_whitespace().collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let by_tool =
        words.windows(2).any(|pair| matches!(pair, [go, "test"] if is_go(go))) && has(&["-v", "-test.v"]);
    let by_binary = words.iter().any(|word| is_test_binary(word))
        && words.iter().any(|word| matches!(*word, "-test.v" | "-test.v=true"));
    (by_tool || by_binary).then(|| inert(&line).into_owned())
}

fn is_go(word: &str) -> bool {
    word == "go" || word.ends_with("/go")
}

/// As `go test -c` and `go test` itself name it.
fn is_test_binary(path: &str) -> bool {
    path.strip_suffix(".test").is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_tests(args: &[&str]) -> bool {
        let args = args.iter().map(|&word| word.to_owned()).collect();
        said(&Config { args, ..Config::default() }).is_some()
    }

    #[test]
    fn verbose_tests_are_told_from_other_commands() {
        assert!(runs_tests(&["go", "test", "-v", "./..."]));
        assert!(runs_tests(&["sh", "-c", "cd /src && /usr/local/go/bin/go test -v ./..."]));
        assert!(runs_tests(&["/app/server.test", "-test.v"]));
        assert!(!runs_tests(&["go", "test", "./..."]));
        assert!(!runs_tests(&["go", "build", "-v", "test"]));
        assert!(!runs_tests(&["test", "-v", "x"]));
        assert!(!runs_tests(&["/app/.test", "-v"]));
    }
}

//! Everything that xtask prints; progress goes to stderr, results to stdout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the presentation layer of the project tasks")]

use std::fmt::Display;

/// A line of progress, for what takes longer than a moment.
pub(crate) fn progress(what: impl Display) {
    eprintln!("==> {what}");
}

/// Something that the reader should act on.
pub(crate) fn warning(what: impl Display) {
    eprintln!("warning: {what}");
}

/// A line of the result.
pub(crate) fn result(line: impl Display) {
    println!("{line}");
}

/// Why the task ends.
pub(crate) fn error(what: impl Display) {
    eprintln!("error: {what}");
}

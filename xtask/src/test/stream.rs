//! Runs a command whose output goes to the terminal as it comes, while its lines are read along.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

use crate::say;

/// Calls `see` with every line of standard output; standard error stays where it is, with cargo's colours.
pub(super) fn run(command: &mut Command, mut see: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut reader = BufReader::new(child.stdout.take().context("the child has no output")?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        // Tests may print bytes that are not text.
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n');
        say::result(text);
        see(text);
        line.clear();
    }
    child.wait().context("cannot wait for the child")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_seen_and_the_status_kept() {
        let mut lines = Vec::new();
        let mut sh = Command::new("sh");
        sh.args(["-c", "printf 'a\\n\\377\\nlast'; exit 3"]);
        let status = run(&mut sh, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(lines, ["a", "\u{fffd}", "last"]);
    }
}

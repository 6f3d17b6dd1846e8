//! The containers of the churn: how each dies at exec, and what gomon must say about it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::docker::Labelled;
use crate::fixtures::Image;
use crate::kernel;

/// What `docker run` returns when the daemon, not the container, has failed.
const DAEMON_FAILED: i32 = 125;

/// A way to die at exec.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) pattern: &'static str,
    pub(super) image: Image,
    command: &'static [&'static str],
}

const FOREIGN: &str = "wrong-architecture";

const KINDS: [Kind; 5] = [
    Kind { pattern: "missing-interpreter", image: Image::Scratch, command: &["/app/probe.glibc", "ok"] },
    Kind { pattern: FOREIGN, image: Image::Scratch, command: &["/app/probe.arm64", "ok"] },
    Kind { pattern: "bad-shebang", image: Image::Musl, command: &["/app/crlf.sh"] },
    Kind { pattern: "exec-format", image: Image::Musl, command: &["/app/empty"] },
    Kind { pattern: "exec-not-permitted", image: Image::Scratch, command: &["/app/caps", "ok"] },
];

/// A container to be.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kind: &'static Kind,
    network: &'static str,
}

/// A container that was.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: &'static Kind,
}

/// So many containers, the kinds and networks in turn.
pub(super) fn cast(prefix: &str, count: usize) -> Vec<Member> {
    let emulated = kernel::emulates_arm64();
    let kinds: Vec<&'static Kind> =
        KINDS.iter().filter(|kind| !(emulated && kind.pattern == FOREIGN)).collect();
    let turns = kinds.iter().cycle().zip(1..=count);
    turns
        .map(|(kind, number)| Member {
            name: format!("{prefix}-{number:04}"),
            kind,
            // On the host's network a container takes a fraction of the time from its cgroup to its exec.
            network: if (number / kinds.len()).is_multiple_of(2) { "none" } else { "host" },
        })
        .collect()
}

impl Member {
    /// Runs the container, which must not start. `ids` is a directory for the file with its id.
    pub(super) fn die(&self, labelled: &Labelled, ids: &Path) -> Result<Dead> {
        let file = ids.join(&self.name);
        let mut run = Command::new("docker");
        run.args(["run", "--rm", "--name", &self.name, "--network", self.network, &labelled.option()]);
        run.arg("--cidfile").arg(&file).arg(self.kind.image.reference()).args(self.kind.command);
        let output = run.output().context("cannot start docker")?;
        match output.status.code() {
            Some(0) => bail!("{} started although it must not", self.name),
            Some(DAEMON_FAILED) | None => {
                bail!("docker run {}: {}", self.name, String::from_utf8_lossy(&output.stderr).trim())
            }
            Some(_) => {}
        }
        let id = fs::read_to_string(&file).with_context(|| format!("{} has no id", self.name))?;
        Ok(Dead { id: id.trim().to_owned(), name: self.name.clone(), kind: self.kind })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_meets_every_network_and_names_are_unique() {
        let cast = cast("churn", 200);
        let pairs: BTreeSet<_> = cast.iter().map(|member| (member.kind.pattern, member.network)).collect();
        let names: BTreeSet<_> = cast.iter().map(|member| &member.name).collect();
        assert!(pairs.len() >= 8 && names.len() == 200, "{pairs:?}");
    }
}

//! The containers of the churn: how each dies at exec, and what gomon must say about it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Runtime;
use super::bundles::Bundles;
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
    pub(super) command: &'static [&'static str],
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
    runtime: Runtime,
}

/// What the containers are run with.
pub(super) struct Stage<'s> {
    pub(super) labelled: &'s Labelled,
    /// A directory for the files with the ids that Docker makes up.
    pub(super) ids: &'s Path,
    /// There where runc is among the runtimes.
    pub(super) bundles: Option<&'s Bundles>,
}

/// A container that was.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) id: String,
    pub(super) name: String,
    /// Empty where the runtime knows of no image.
    pub(super) image: String,
    pub(super) kind: &'static Kind,
}

/// So many containers, the runtimes, kinds and networks in turn.
pub(super) fn cast(prefix: &str, count: usize, runtimes: &[Runtime]) -> Vec<Member> {
    let emulated = kernel::emulates_arm64();
    let kinds: Vec<&'static Kind> =
        KINDS.iter().filter(|kind| !(emulated && kind.pattern == FOREIGN)).collect();
    // Each kind goes through all runtimes before the next has its turn.
    let parts = kinds.iter().flat_map(|kind| runtimes.iter().map(move |runtime| (*kind, *runtime)));
    let turns = parts.collect::<Vec<_>>().into_iter().cycle().zip(1..=count);
    turns
        .map(|((kind, runtime), number)| Member {
            name: format!("{prefix}-{}-{number:04}", runtime.name()),
            kind,
            runtime,
            // On the host's network a container takes a fraction of the time from its cgroup to its exec.
            network: if (number / (kinds.len() * runtimes.len())).is_multiple_of(2) {
                "none"
            } else {
                "host"
            },
        })
        .collect()
}

impl Member {
    /// Runs the container, which must not start.
    pub(super) fn die(&self, stage: &Stage<'_>) -> Result<Dead> {
        match self.runtime {
            Runtime::Docker => self.die_in_docker(stage.labelled, stage.ids),
            Runtime::Runc => self.die_in_runc(stage.bundles.context("there are no bundles")?),
        }
    }

    fn die_in_runc(&self, bundles: &Bundles) -> Result<Dead> {
        bundles.run(&self.name, self.kind)?;
        let (id, name) = (self.name.clone(), self.name.clone());
        Ok(Dead { id, name, image: String::new(), kind: self.kind })
    }

    fn die_in_docker(&self, labelled: &Labelled, ids: &Path) -> Result<Dead> {
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
        let image = self.kind.image.reference();
        Ok(Dead { id: id.trim().to_owned(), name: self.name.clone(), image, kind: self.kind })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_meets_every_network_and_names_are_unique() {
        let cast = cast("churn", 200, &[Runtime::Docker, Runtime::Runc]);
        let of = |member: &Member| (member.kind.pattern, member.network, member.runtime);
        let pairs: BTreeSet<_> = cast.iter().map(of).collect();
        let names: BTreeSet<_> = cast.iter().map(|member| &member.name).collect();
        assert!(pairs.len() >= 16 && names.len() == 200, "{pairs:?}");
    }
}

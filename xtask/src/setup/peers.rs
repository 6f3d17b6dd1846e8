//! Other tools that watch opens and execs, for the bench: taken out of Debian packages, run with the libraries they came with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::PrivateSuite;
use crate::{cache, command, process, say};

const SUITE: &str = "trixie";
const PACKAGES: [&str; 2] = ["libbpf-tools", "bpftrace"];
pub(crate) const OPENSNOOP: &str = "opensnoop-libbpf";
pub(crate) const EXECSNOOP: &str = "execsnoop-libbpf";
pub(crate) const BPFTRACE: &str = "bpftrace";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// The tools, with a C library of their own.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    root: PathBuf,
}

/// Finds the tools in the cache or fetches them.
pub(crate) fn ensure() -> Result<Peers> {
    let _lock = cache::lock()?;
    let root = cache::dir("peers")?.join(SUITE);
    let peers = Peers { root };
    if !peers.root.exists() {
        peers.fetch()?;
    }
    for program in [OPENSNOOP, EXECSNOOP, BPFTRACE] {
        peers.version(program).with_context(|| format!("{program} does not run here"))?;
    }
    Ok(peers)
}

impl Peers {
    /// A tool with its own loader and libraries; the command's process is the tool.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let place = ["usr/sbin", "usr/bin"].iter().map(|dir| self.root.join(dir).join(program));
        let file = place.into_iter().find(|file| file.exists());
        let mut command = process::tied(&self.root.join(LIBRARIES).join("ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(self.root.join(LIBRARIES));
        command.arg(file.with_context(|| format!("{} has no {program}", self.root.display()))?);
        Ok(command)
    }

    /// Where the tools come from.
    pub(crate) fn versions(&self) -> Result<Vec<String>> {
        let snoops = format!("opensnoop and execsnoop of libbpf-tools (Debian {SUITE})");
        Ok(vec![snoops, format!("{} (Debian {SUITE})", self.version(BPFTRACE)?)])
    }

    /// What the tool calls its version.
    fn version(&self, program: &str) -> Result<String> {
        command::output(self.command(program)?.arg("--version"))
    }

    fn fetch(&self) -> Result<()> {
        if !cfg!(target_arch = "x86_64") {
            bail!("the tools are fetched for x86_64 only");
        }
        say::progress(format_args!("fetching {} of Debian {SUITE}", PACKAGES.join(" and ")));
        let partial = self.root.with_extension("partial");
        remove(&partial)?;
        PrivateSuite::open(SUITE)?.unpack_with_dependencies(&PACKAGES, &partial)?;
        fs::rename(&partial, &self.root)
            .with_context(|| format!("cannot move the tools to {}", self.root.display()))
    }
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

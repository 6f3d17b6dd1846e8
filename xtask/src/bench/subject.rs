//! What is measured against nothing: gomon, programs that do nothing on its hooks, and other tools.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::empty::{Empty, Hook, hook_of};
use super::peer::{Peer, Watching};
use crate::agent::{Agent, Profile, Start};
use crate::setup::peers::Peers;
use crate::{command, process};

/// The agent takes over the kernel's books once a second.
const BOOKS: Duration = Duration::from_secs(5);

/// Something that can be attached to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Subject {
    /// Programs that do nothing, on all hooks of gomon.
    Empty,
    Gomon,
    /// One program that does nothing on the raw tracepoint of every system call's end.
    EmptyRawSysExit,
    /// One that does nothing on the classic tracepoint of openat's end.
    EmptyClassicOpenat,
    /// The one named on the command line.
    OtherGomon,
    #[serde(untagged)]
    Peer(Peer),
}

/// A subject at work; ends when dropped.
#[expect(dead_code, reason = "kept for what happens when they are dropped")]
pub(super) enum Attached {
    Empty(Vec<Empty>),
    Gomon(Agent),
    Peer(Watching),
}

/// What attaching takes: the gomon that is measured, and the hooks that it uses on this kernel.
#[derive(Debug, Serialize)]
pub(super) struct Lineup {
    #[serde(skip)]
    gomon: PathBuf,
    /// To be measured beside it.
    #[serde(skip)]
    other: Option<PathBuf>,
    #[serde(skip)]
    peers: Option<Peers>,
    pub(super) profile: Profile,
    pub(super) hooks: Vec<Hook>,
    /// gomon's programs whose hooks are not imitated.
    pub(super) not_imitated: Vec<String>,
    /// gomon's version and revision.
    pub(super) version: String,
    /// The other tools, with their versions.
    pub(super) tools: Vec<String>,
}

impl Subject {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Empty => "empty programs",
            Self::Gomon => "gomon",
            Self::EmptyRawSysExit => "empty raw sys_exit",
            Self::EmptyClassicOpenat => "empty classic sys_exit_openat",
            Self::OtherGomon => "the other gomon",
            Self::Peer(peer) => peer.title(),
        }
    }

    /// Whether it tells of failing opens, and of failing execs.
    pub(super) fn sees(self) -> (bool, bool) {
        match self {
            Self::Gomon | Self::OtherGomon => (true, true),
            Self::Empty | Self::EmptyRawSysExit | Self::EmptyClassicOpenat => (false, false),
            Self::Peer(peer) => peer.sees(),
        }
    }

    /// Returns when it is at work. Must be called on the main thread.
    pub(super) fn attach(self, lineup: &Lineup) -> Result<Attached> {
        let empty = |hooks: &[Hook]| -> Result<Attached> {
            Ok(Attached::Empty(hooks.iter().map(|hook| Empty::attach(*hook)).collect::<Result<_>>()?))
        };
        let attached = match self {
            Self::Empty => empty(&lineup.hooks),
            Self::EmptyRawSysExit => empty(&[Hook::Raw("sys_exit")]),
            Self::EmptyClassicOpenat => empty(&[Hook::Classic("syscalls/sys_exit_openat")]),
            Self::Gomon => lineup.start().map(Attached::Gomon),
            Self::OtherGomon => lineup.start_other().map(Attached::Gomon),
            // What is printed costs least where nobody keeps it.
            Self::Peer(peer) => lineup.peers().and_then(|peers| peer.watch(peers, None)).map(Attached::Peer),
        };
        attached.with_context(|| format!("cannot measure {}", self.title()))
    }
}

impl Lineup {
    /// Starts the agent once to see which programs it attaches.
    pub(super) fn new(
        gomon: PathBuf,
        profile: Profile,
        other: Option<PathBuf>,
        peers: Option<Peers>,
    ) -> Result<Self> {
        let tools = peers.as_ref().map(Peers::versions).transpose()?.unwrap_or_default();
        let version = version(&gomon, profile)?;
        let (hooks, not_imitated) = (Vec::new(), Vec::new());
        let mut lineup = Self { gomon, other, peers, profile, hooks, not_imitated, version, tools };
        for program in programs(&lineup.start()?)? {
            match hook_of(&program) {
                Some(hook) => lineup.hooks.push(hook),
                None => lineup.not_imitated.push(program),
            }
        }
        Ok(lineup)
    }

    pub(super) fn start(&self) -> Result<Agent> {
        self.launch(&self.gomon)
    }

    /// The tools that can be measured here.
    pub(super) fn all_peers(&self) -> &'static [Peer] {
        if self.peers.is_some() { &Peer::ALL } else { &[] }
    }

    pub(super) fn peers(&self) -> Result<&Peers> {
        self.peers.as_ref().context("the other tools are not there")
    }

    fn start_other(&self) -> Result<Agent> {
        self.launch(self.other.as_ref().context("no other gomon was named")?)
    }

    fn launch(&self, program: &Path) -> Result<Agent> {
        let start = Start { task: "bench", listen: None, profile: self.profile, max_series: None };
        start.launch(program.to_owned())
    }
}

/// `gomon 0.1.0, release profile, revision 0123abc`
fn version(gomon: &Path, profile: Profile) -> Result<String> {
    let said = command::output(Command::new(gomon).arg("version"))?;
    let version = said.lines().next().unwrap_or_default();
    let mut git = Command::new("git");
    // Sources may come without a repository.
    let revision = command::output(git.args(["describe", "--always", "--dirty", "--exclude", "*"]));
    let revision = revision.unwrap_or_else(|_| "unknown".to_owned());
    Ok(format!("{version}, {} profile, revision {revision}", profile.name()))
}

/// The kernel programs of a running agent.
fn programs(agent: &Agent) -> Result<Vec<String>> {
    let mut found = Vec::new();
    process::wait_until(BOOKS, || {
        let Ok(metrics) = agent.metrics() else { return false };
        let samples = metrics.samples("gomon_bpf_program_runs_total");
        found = samples.filter_map(|sample| sample.label("program").map(str::to_owned)).collect();
        !found.is_empty()
    });
    if found.is_empty() {
        bail!("the agent names no kernel programs within {} s", BOOKS.as_secs());
    }
    Ok(found)
}

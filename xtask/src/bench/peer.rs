//! Another tool at work: started, waited for, ended; what it printed is counted.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::storm::{STORM_EXEC, STORM_OPEN};
use crate::process;
use crate::setup::peers::{BPFTRACE, EXECSNOOP, OPENSNOOP, Peers};

const ATTACH: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);
/// So often the same number of descriptors is found before a tool counts as attached.
const LOOKS: u32 = 8;
const STOP: Duration = Duration::from_secs(20);
/// Files for what a tool prints, and for what it complains of.
const OUTPUTS: [&str; 2] = ["stdout", "stderr"];

/// Failing opens and execs with their paths, and starts of programs: what gomon watches.
const SCRIPT: &str = r#"
tracepoint:syscalls:sys_enter_openat { @open[tid] = args.filename; }
tracepoint:syscalls:sys_exit_openat /@open[tid]/ {
    if (args.ret < 0) { printf("open %d %s\n", args.ret, str(@open[tid])); }
    delete(@open[tid]);
}
tracepoint:syscalls:sys_enter_execve { @exec[tid] = args.filename; }
tracepoint:syscalls:sys_exit_execve /@exec[tid]/ {
    if (args.ret < 0) { printf("exec %d %s\n", args.ret, str(@exec[tid])); }
    delete(@exec[tid]);
}
tracepoint:sched:sched_process_exec { printf("start %s\n", str(args.filename)); }
"#;

/// A tool with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Peer {
    Opensnoop,
    OpensnoopFailed,
    Execsnoop,
    ExecsnoopFailed,
    Bpftrace,
}

/// A tool at work; ends when dropped.
pub(super) struct Watching {
    peer: Peer,
    child: Option<Child>,
    /// Where it prints to, if that is kept.
    dir: Option<PathBuf>,
}

/// What a tool printed about a storm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Printed {
    pub(super) opens: u64,
    pub(super) execs: u64,
    /// By its own account.
    pub(super) lost: u64,
}

impl Printed {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            opens: self.opens - before.opens,
            execs: self.execs - before.execs,
            lost: self.lost - before.lost,
        }
    }
}

impl Peer {
    pub(super) const ALL: [Self; 5] =
        [Self::Opensnoop, Self::OpensnoopFailed, Self::Execsnoop, Self::ExecsnoopFailed, Self::Bpftrace];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Opensnoop => "opensnoop",
            Self::OpensnoopFailed => "opensnoop -x",
            Self::Execsnoop => "execsnoop",
            Self::ExecsnoopFailed => "execsnoop -x",
            Self::Bpftrace => "bpftrace",
        }
    }

    /// Whether it tells of failing opens, and of failing execs.
    pub(super) fn sees(self) -> (bool, bool) {
        match self {
            Self::Opensnoop | Self::OpensnoopFailed => (true, false),
            Self::Execsnoop => (false, false),
            Self::ExecsnoopFailed => (false, true),
            Self::Bpftrace => (true, true),
        }
    }

    fn command(self, peers: &Peers) -> Result<Command> {
        let (program, arguments): (_, &[&str]) = match self {
            Self::Opensnoop => (OPENSNOOP, &[]),
            Self::OpensnoopFailed => (OPENSNOOP, &["-x"]),
            Self::Execsnoop => (EXECSNOOP, &[]),
            Self::ExecsnoopFailed => (EXECSNOOP, &["-x"]),
            Self::Bpftrace => (BPFTRACE, &["-q", "-e", SCRIPT]),
        };
        let mut command = peers.command(program)?;
        command.args(arguments);
        Ok(command)
    }

    /// Returns when it is attached. What it prints goes to a directory, or nowhere.
    pub(super) fn watch(self, peers: &Peers, dir: Option<&Path>) -> Result<Watching> {
        let to = |name: &str| match dir {
            Some(dir) => File::create(dir.join(name)).map(Stdio::from),
            None => Ok(Stdio::null()),
        };
        let mut command = self.command(peers)?;
        let [output, errors] = OUTPUTS.map(to);
        command.stdin(Stdio::null()).stdout(output?).stderr(errors?);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.title()))?;
        let mut watching = Watching { peer: self, child: Some(child), dir: dir.map(Path::to_owned) };
        watching.wait_until_attached()?;
        Ok(watching)
    }
}

impl Watching {
    /// The tools do not tell; the number of their programs and perf events stands still once they are attached.
    fn wait_until_attached(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("the tool has ended")?;
        let fds = PathBuf::from(format!("/proc/{}/fd", child.id()));
        let (mut last, mut same, mut ended) = ((0, 0), 0, None);
        let attached = process::poll(ATTACH, LOOK, || {
            ended = child.try_wait().ok().flatten();
            let now = kernel_descriptors(&fds);
            same = if now == last && now.0 > 0 && now.1 > 0 { same + 1 } else { 0 };
            last = now;
            same == LOOKS || ended.is_some()
        });
        match ended {
            Some(status) => bail!("{} ended with {status}", self.peer.title()),
            None if attached => Ok(()),
            None => bail!("{} is not attached after {} s", self.peer.title(), ATTACH.as_secs()),
        }
    }

    /// Ends it, so that it prints what it still holds, and counts the lines of a storm.
    pub(super) fn finish(mut self) -> Result<Printed> {
        self.stop();
        let dir = self.dir.take().context("what the tool printed was not kept")?;
        let mut printed = Printed::default();
        for name in OUTPUTS {
            let path = dir.join(name);
            let Printed { opens, execs, lost } = count(BufReader::new(File::open(&path)?))?;
            printed.opens += opens;
            printed.execs += execs;
            printed.lost += lost;
            fs::remove_file(path)?;
        }
        Ok(printed)
    }

    fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            process::interrupt(child, self.peer.title(), STOP);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How many programs, and how many links and perf events, a process holds.
fn kernel_descriptors(fds: &Path) -> (usize, usize) {
    let targets: Vec<PathBuf> = fs::read_dir(fds)
        .map(|entries| entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect())
        .unwrap_or_default();
    let of = |name: &str| targets.iter().filter(|target| target.to_string_lossy().contains(name)).count();
    (of("bpf-prog"), of("bpf_link") + of("perf_event"))
}

fn count(lines: impl BufRead) -> Result<Printed> {
    let mut printed = Printed::default();
    for line in lines.split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        if text.contains(STORM_OPEN) {
            printed.opens += 1;
        } else if text.contains(STORM_EXEC) {
            printed.execs += 1;
        } else {
            printed.lost += lost(&text).unwrap_or(0);
        }
    }
    Ok(printed)
}

/// The number in `lost 12 events on CPU #1!`, `Lost 12 events`.
fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("ost ")?;
    let (number, rest) = rest.split_once(' ')?;
    rest.starts_with("event").then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_storm_are_told_from_those_of_others_and_from_losses() {
        let text = format!(
            "PID    COMM              FD ERR PATH\n7 worker -1 2 {STORM_OPEN}\n8 other -1 2 /lib/x.so\n\
            open -2 {STORM_OPEN}\nworker 7 1 -2 {STORM_EXEC}\nLost 12 events\nlost 30 events on CPU #1!\nlost all\n"
        );
        assert_eq!(count(text.as_bytes()).unwrap(), Printed { opens: 2, execs: 1, lost: 42 });
    }
}

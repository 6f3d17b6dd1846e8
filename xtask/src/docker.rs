//! A Docker daemon for tests: the one that answers, or one that is started here and stopped at the end.

mod labelled;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) use labelled::Labelled;

use crate::{cache, command, process, say, setup};

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// Pid files that stop a new daemon when the old one was killed and its pid now belongs to somebody else.
const PID_FILES: [(&str, &str); 2] =
    [("/var/run/docker.pid", "dockerd"), ("/var/run/docker/containerd/containerd.pid", "containerd")];

/// Keeps the daemon running; stops it when dropped, if it was started here.
pub(crate) struct Daemon {
    started: Option<Child>,
}

impl Daemon {
    /// Must be called on the main thread: the daemon is told to end with the thread that started it.
    pub(crate) fn ensure() -> Result<Self> {
        if answers() {
            return Ok(Self { started: None });
        }
        if !command::is_root() {
            bail!("no Docker daemon answers, and only root can start one");
        }
        say::progress("starting dockerd");
        let log = cache::dir("")?.join("dockerd.log");
        let mut daemon = Self { started: Some(start(&log)?) };
        daemon.wait_until_it_answers(&log)?;
        Ok(daemon)
    }

    fn wait_until_it_answers(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + START;
        while !answers() {
            if let Some(child) = &mut self.started
                && let Some(status) = child.try_wait()?
            {
                self.started = None;
                bail!("dockerd ended with {status}; {}", last_errors(log));
            }
            if Instant::now() > deadline {
                bail!("dockerd did not answer within {} s; see {}", START.as_secs(), log.display());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Daemon {
    /// SIGTERM lets it end its containers and its own containerd.
    fn drop(&mut self) {
        if let Some(child) = self.started.take() {
            say::progress("stopping dockerd");
            process::stop(child, "dockerd", STOP);
        }
    }
}

/// Whether client and daemon can talk to each other.
fn answers() -> bool {
    command::succeeds(Command::new("docker").arg("version"))
}

fn start(log: &Path) -> Result<Child> {
    for (file, program) in PID_FILES {
        remove_if_stale(Path::new(file), program, Path::new("/proc"))?;
    }
    let dockerd = command::find("dockerd").context("dockerd is not installed")?;
    let mut command = process::tied(&dockerd);
    if !nat_works() {
        say::warning(
            "iptables has no working nat table here: published ports and outgoing traffic will not work",
        );
        command.args(["--iptables=false", "--ip6tables=false"]);
    }
    let log = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).env("PATH", setup::path()?);
    // Out of reach of the terminal's Ctrl-C: containers are ended first.
    command.process_group(0).spawn().context("cannot start dockerd")
}

fn nat_works() -> bool {
    command::find("iptables")
        .is_some_and(|iptables| command::succeeds(Command::new(iptables).args(["-t", "nat", "-S"])))
}

fn remove_if_stale(file: &Path, program: &str, proc: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
    let comm = fs::read_to_string(proc.join(text.trim()).join("comm")).unwrap_or_default();
    if comm.trim() == program {
        return Ok(());
    }
    fs::remove_file(file).with_context(|| format!("cannot remove the stale {}", file.display()))
}

/// The last lines of the log that tell what went wrong.
fn last_errors(log: &Path) -> String {
    const SHOWN: usize = 3;
    let text = fs::read_to_string(log).unwrap_or_default();
    let telling = |line: &&str| {
        line.contains("level=error") || line.contains("level=fatal") || !line.contains("level=")
    };
    let lines: Vec<&str> = text.lines().filter(telling).collect();
    let from = lines.len().saturating_sub(SHOWN);
    lines.get(from..).unwrap_or_default().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pid_file_of_a_dead_or_foreign_process_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, proc) = (dir.path().join("docker.pid"), dir.path().join("proc"));
        fs::create_dir_all(proc.join("7")).unwrap();
        fs::write(proc.join("7/comm"), "dockerd\n").unwrap();
        fs::write(&file, "7").unwrap();
        remove_if_stale(&file, "dockerd", &proc).unwrap();
        assert!(file.exists());

        fs::write(proc.join("7/comm"), "sshd\n").unwrap();
        remove_if_stale(&file, "dockerd", &proc).unwrap();
        assert!(!file.exists());

        fs::write(&file, "8").unwrap();
        remove_if_stale(&file, "dockerd", &proc).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_failed_start_is_explained_by_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, "time=1 level=info msg=a\nfailed to start daemon: no overlay\n").unwrap();
        assert_eq!(last_errors(&log), "failed to start daemon: no overlay");
    }
}

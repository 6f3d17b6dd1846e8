//! An agent of this checkout for a project task: builds gomon, runs it on a loopback port, asks it, stops it.

mod account;
mod diagnoses;
mod exposition;
mod http;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) use account::{Account, Probe};
pub(crate) use diagnoses::{Diagnosis, plain};
pub(crate) use exposition::Metrics;

use crate::workspace::{self, Workspace};
use crate::{cache, process, say, setup};

const READY: Duration = Duration::from_mins(1);
const ASK_AGAIN: Duration = Duration::from_millis(10);
const STOP: Duration = Duration::from_secs(10);

/// The profile that gomon is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Profile {
    /// What the tests run: compiles in half the time.
    Dev,
    Release,
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

/// How an agent is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// Names the directory in the cache that has the log and the socket.
    pub(crate) task: &'static str,
    /// A free port on 127.0.0.1 if none is given.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) profile: Profile,
    /// gomon's own limit if none is given.
    pub(crate) max_series: Option<usize>,
}

/// A running agent; ends when dropped.
pub(crate) struct Agent {
    child: Option<Child>,
    pub(crate) address: SocketAddr,
    pub(crate) program: PathBuf,
    pub(crate) log: PathBuf,
    /// From the start of the process to the first answer that it sees.
    pub(crate) ready_after: Duration,
}

impl Start {
    /// Builds the agent, starts it and waits until it sees.
    pub(crate) fn run(self) -> Result<Agent> {
        let program = build(self.profile)?;
        say::progress(format_args!("starting {} agent", program.display()));
        self.launch(program)
    }

    /// Starts a gomon that is built, and waits. Must be called on the main thread, whose end ends the agent.
    pub(crate) fn launch(self, program: PathBuf) -> Result<Agent> {
        let address = match self.listen {
            Some(address) => address,
            None => {
                TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("no free port")?
            }
        };
        let dir = cache::dir(self.task)?;
        let log = dir.join("agent.log");
        let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = process::tied(&program);
        command.args(["agent", "--listen", &address.to_string()]);
        // A real agent keeps its own socket and store.
        command.arg("--socket").arg(dir.join("gomon.sock"));
        command.arg("--store").arg(dir.join("gomon.db"));
        if let Some(most) = self.max_series {
            command.args(["--metrics-max-series", &most.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut agent = Agent { child: Some(child), address, program, log, ready_after: Duration::ZERO };
        agent.wait_until_ready()?;
        agent.ready_after = started.elapsed();
        Ok(agent)
    }
}

impl Agent {
    fn wait_until_ready(&mut self) -> Result<()> {
        let mut last = "no answer yet".to_owned();
        let mut ended = None;
        let ready = process::poll(READY, ASK_AGAIN, || {
            ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            match http::get(self.address, "/readyz") {
                Ok(answer) if answer.status == 200 => return true,
                Ok(answer) => last = format!("{}: {}", answer.status, answer.body.trim()),
                Err(error) => last = format!("{error:#}"),
            }
            ended.is_some()
        });
        match ended {
            Some(status) => bail!("the agent ended with {status}:\n{}", tail(&self.log)),
            None if ready => Ok(()),
            None => {
                bail!("the agent is not ready after {} s ({last}):\n{}", READY.as_secs(), tail(&self.log))
            }
        }
    }

    /// All diagnoses that the agent still has, the latest first.
    pub(crate) fn diagnoses(&self) -> Result<Vec<Diagnosis>> {
        diagnoses::parse(&http::get_ok(self.address, "/api/v1/diagnoses")?)
    }

    /// One scrape.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::new(http::get_ok(self.address, "/metrics")?))
    }

    /// `None` after its end.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The most memory that was resident at a time; what /proc does not tell is `None`.
    pub(crate) fn peak_resident_bytes(&self) -> Option<f64> {
        let pid = self.pid()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            process::stop(child, "the agent", STOP);
        }
    }
}

/// Where the binary is.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    say::progress(format_args!("building gomon ({} profile)", profile.name()));
    let mut build = workspace::cargo();
    build.args(["build", "--quiet", "--package", "monitor", "--bin", "gomon"]).env("PATH", setup::path()?);
    let directory = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    if !build.status().context("cannot start cargo")?.success() {
        bail!("gomon does not build");
    }
    Ok(Workspace::read()?.target_directory.join(directory).join("gomon"))
}

fn tail(log: &Path) -> String {
    const SHOWN: usize = 15;
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(SHOWN);
    lines.get(from..).unwrap_or_default().join("\n")
}

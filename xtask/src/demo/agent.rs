//! Builds gomon, runs its agent on a loopback port and stops it at the end.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::http;
use crate::workspace::{self, Workspace};
use crate::{cache, process, say};

const READY: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(10);

/// A running agent; ends when dropped.
pub(super) struct Agent {
    child: Option<Child>,
    pub(super) address: SocketAddr,
    pub(super) program: PathBuf,
}

impl Agent {
    /// Starts the agent and waits until it sees.
    pub(super) fn start(listen: Option<SocketAddr>) -> Result<Self> {
        let program = build()?;
        let address = match listen {
            Some(address) => address,
            None => {
                TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("no free port")?
            }
        };
        let dir = cache::dir("demo")?;
        let log = dir.join("agent.log");
        let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        say::progress(format_args!("starting {} agent --listen {address}", program.display()));
        let child = process::tied(&program)
            .args(["agent", "--listen", &address.to_string()])
            // A real agent keeps its own socket.
            .arg("--socket")
            .arg(dir.join("gomon.sock"))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut agent = Self { child: Some(child), address, program };
        agent.wait_until_ready(&log)?;
        Ok(agent)
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<()> {
        let mut last = "no answer yet".to_owned();
        let mut ended = None;
        let ready = process::wait_until(READY, || {
            ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            match http::get(self.address, "/readyz") {
                Ok(answer) if answer.status == 200 => return true,
                Ok(answer) => last = format!("{}: {}", answer.status, answer.body.trim()),
                Err(error) => last = format!("{error:#}"),
            }
            ended.is_some()
        });
        match ended {
            Some(status) => bail!("the agent ended with {status}:\n{}", tail(log)),
            None if ready => Ok(()),
            None => bail!("the agent is not ready after {} s ({last}):\n{}", READY.as_secs(), tail(log)),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            process::stop(child, "the agent", STOP);
        }
    }
}

/// The program of the profile that is also tested: it starts as quickly, and compiles in half the time.
fn build() -> Result<PathBuf> {
    say::progress("building gomon");
    let built =
        workspace::cargo().args(["build", "--quiet", "--package", "monitor", "--bin", "gomon"]).status();
    if !built.context("cannot start cargo")?.success() {
        bail!("gomon does not build");
    }
    Ok(Workspace::read()?.target_directory.join("debug/gomon"))
}

fn tail(log: &Path) -> String {
    const SHOWN: usize = 15;
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(SHOWN);
    lines.get(from..).unwrap_or_default().join("\n")
}

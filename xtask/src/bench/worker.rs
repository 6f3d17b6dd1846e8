//! The process that is measured: sits in its cgroup on one CPU, performs what it is asked to, and tells the time it took.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cpu;
use super::figures::median;
use super::operation::{self, Operation};
use super::storm::{self, Caused, Rates};
use crate::process;

/// Bursts whose times are kept.
const MOST_BURSTS: usize = 4_000;
const STOP: Duration = Duration::from_secs(5);

/// How the hidden command is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The cgroup's directory
    #[arg(long)]
    cgroup: PathBuf,
    #[arg(long)]
    cpu: usize,
}

/// One question, a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    Price { operation: Operation, time: Duration },
    Repeat { operation: Operation, count: u32 },
    Storm { rates: Rates, time: Duration },
}

/// The price of one operation, in nanoseconds, over many bursts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Price {
    pub(super) best: f64,
    pub(super) median: f64,
    /// All that were performed, also those that were not timed.
    pub(super) operations: u64,
}

/// The worker's side: answers questions until there are no more.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    enter(&arguments.cgroup)?;
    cpu::stay_on(arguments.cpu)?;
    operation::ignore_in_handler()?;
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Question::Price { operation, time } => serde_json::to_string(&price(operation, time)?)?,
            Question::Repeat { operation, count } => serde_json::to_string(&repeat(operation, count)?)?,
            Question::Storm { rates, time } => serde_json::to_string(&storm::rage(rates, time)?)?,
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// Moves this process into a cgroup.
fn enter(cgroup: &Path) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    fs::write(&procs, "0").with_context(|| format!("cannot write to {}", procs.display()))
}

/// How long so many in a row take.
fn repeat(operation: Operation, count: u32) -> Result<Duration> {
    // SAFETY: a system call without arguments.
    let own = unsafe { libc::getpid() };
    let start = Instant::now();
    (0..count).try_for_each(|_| operation::perform(operation, own))?;
    Ok(start.elapsed())
}

fn price(operation: Operation, time: Duration) -> Result<Price> {
    let pace = operation.pace();
    // The first burst meets cold caches.
    repeat(operation, pace.warm + pace.timed)?;
    let mut bursts = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end && bursts.len() < MOST_BURSTS {
        if !pace.pause.is_zero() {
            thread::sleep(pace.pause);
        }
        repeat(operation, pace.warm)?;
        bursts.push(repeat(operation, pace.timed)?.as_secs_f64() * 1e9 / f64::from(pace.timed));
    }
    let best = bursts.iter().copied().fold(f64::INFINITY, f64::min);
    let operations = u64::from(pace.warm + pace.timed) * (bursts.len() as u64 + 1);
    Ok(Price { best, median: median(&bursts), operations })
}

/// A running worker; ends when dropped.
pub(super) struct Worker {
    child: Option<Child>,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Sits on the last CPU.
    pub(super) fn start(cgroup: &Path) -> Result<Self> {
        // Also if the file was built anew meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.arg("bench-worker").arg("--cgroup").arg(cgroup).args(["--cpu", &cpu::last()?.to_string()]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the worker of the bench")?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take().context("no pipe")?);
        Ok(Self { child: Some(child), questions, answers: BufReader::new(answers) })
    }

    /// What an operation costs now, measured for about so long.
    pub(super) fn price(&mut self, operation: Operation, time: Duration) -> Result<Price> {
        self.ask(&Question::Price { operation, time })
    }

    /// How long so many in a row take.
    pub(super) fn repeat(&mut self, operation: Operation, count: u32) -> Result<Duration> {
        self.ask(&Question::Repeat { operation, count })
    }

    /// Failing opens and execs at these rates.
    pub(super) fn storm(&mut self, rates: Rates, time: Duration) -> Result<Caused> {
        self.ask(&Question::Storm { rates, time })
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Question) -> Result<T> {
        let questions = self.questions.as_mut().context("the worker was stopped")?;
        writeln!(questions, "{}", serde_json::to_string(question)?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line)
            .with_context(|| format!("the worker of the bench answered {line:?} to {question:?}"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input is the end of a worker.
        drop(self.questions.take());
        if let Some(mut child) = self.child.take()
            && !process::wait_until(STOP, || !matches!(child.try_wait(), Ok(None)))
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

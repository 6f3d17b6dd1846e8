//! The process that is measured: sits in its cgroup on one CPU, performs what it is asked to, and tells the time it took.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::figures::median;
use super::operation::{self, Operation};
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
struct Question {
    operation: Operation,
    time: Duration,
}

/// The price of one operation, in nanoseconds, over many bursts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) best: f64,
    pub(crate) median: f64,
    pub(crate) operations: u64,
}

/// The worker's side: answers questions until there are no more.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    enter(&arguments.cgroup)?;
    pin(arguments.cpu)?;
    operation::ignore_in_handler()?;
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let Question { operation, time } = serde_json::from_str(&line?)?;
        let price = measure(operation, time)?;
        serde_json::to_writer(&mut answers, &price)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
    Ok(())
}

/// Moves this process into a cgroup.
pub(super) fn enter(cgroup: &Path) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    fs::write(&procs, "0").with_context(|| format!("cannot write to {}", procs.display()))
}

/// Keeps this thread on one CPU.
fn pin(cpu: usize) -> Result<()> {
    // SAFETY: an all-zero set is a valid empty one, and CPU_SET checks its bounds.
    let failed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if failed != 0 {
        bail!("cannot stay on CPU {cpu}: {}", io::Error::last_os_error());
    }
    Ok(())
}

fn measure(operation: Operation, time: Duration) -> Result<Price> {
    let pace = operation.pace();
    // SAFETY: a system call without arguments.
    let own = unsafe { libc::getpid() };
    let repeat = |count: u32| (0..count).try_for_each(|_| operation::perform(operation, own));
    // The first burst meets cold caches.
    repeat(pace.warm + pace.timed)?;
    let mut bursts = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end && bursts.len() < MOST_BURSTS {
        if !pace.pause.is_zero() {
            thread::sleep(pace.pause);
        }
        repeat(pace.warm)?;
        let start = Instant::now();
        repeat(pace.timed)?;
        bursts.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(pace.timed));
    }
    let best = bursts.iter().copied().fold(f64::INFINITY, f64::min);
    let operations = u64::from(pace.timed) * bursts.len() as u64;
    Ok(Price { best, median: median(&bursts), operations })
}

/// A running worker; ends when dropped.
pub(super) struct Worker {
    child: Option<Child>,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub(super) fn start(cgroup: &Path, cpu: usize) -> Result<Self> {
        let own = std::env::current_exe().context("cannot tell which program this is")?;
        let mut command = Command::new(own);
        command.arg("bench-worker").arg("--cgroup").arg(cgroup).args(["--cpu", &cpu.to_string()]);
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
        let questions = self.questions.as_mut().context("the worker was stopped")?;
        writeln!(questions, "{}", serde_json::to_string(&Question { operation, time })?)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line)
            .with_context(|| format!("the worker of the bench gave no price: {line:?}"))
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

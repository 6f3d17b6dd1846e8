//! Failing opens and execs at rising rates: how many each subject captures, and where it begins to lose.

use std::ffi::CString;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::cpu::{self, Away};
use super::operation;
use super::peer::{Peer, Printed};
use super::place::Place;
use super::subject::{Lineup, Subject};
use super::worker::Worker;
use crate::agent::{Account, Agent};
use crate::{cache, process, say};

/// A library that no loader finds, so that gomon wants every one of them; and a program that is not there.
pub(super) const STORM_OPEN: &str = "/usr/lib/libgomon-bench-storm.so";
pub(super) const STORM_EXEC: &str = "/usr/bin/gomon-bench-storm";

/// The last of each is more than one CPU can make.
const OPEN_RATES: [u32; 5] = [10_000, 33_000, 100_000, 300_000, 2_000_000];
const EXEC_RATES: [u32; 4] = [1_000, 8_192, 50_000, 2_000_000];
/// The storm that nothing precious may be lost in.
pub(super) const BOTH: Rates = Rates { opens: 33_000, execs: 8_192 };

const TICK: Duration = Duration::from_micros(500);
/// What a pause of the scheduler left undone is made up for up to this share of a second.
const CATCH_UP: u32 = 50;
/// The agent takes over the kernel's counters once a second.
const REFRESH: Duration = Duration::from_millis(1_200);
const SETTLE: Duration = Duration::from_secs(15);

/// Calls a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rates {
    pub(super) opens: u32,
    pub(super) execs: u32,
}

/// Calls that were made.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Caused {
    pub(super) opens: u64,
    pub(super) execs: u64,
    pub(super) time: Duration,
}

/// One storm and what a subject had of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Step {
    pub(super) rates: Rates,
    pub(super) caused: Caused,
    pub(super) captured: Printed,
}

/// All storms of a subject.
#[derive(Debug, Serialize)]
pub(super) struct Climb {
    pub(super) subject: Subject,
    pub(super) steps: Vec<Step>,
}

impl Step {
    /// Opens and execs that were caused and not captured.
    pub(super) fn missing(&self) -> (u64, u64) {
        let Self { caused, captured, rates: _ } = self;
        (caused.opens.saturating_sub(captured.opens), caused.execs.saturating_sub(captured.execs))
    }
}

/// The worker's side.
pub(super) fn rage(rates: Rates, time: Duration) -> Result<Caused> {
    let (open, exec) = (CString::new(STORM_OPEN)?, CString::new(STORM_EXEC)?);
    let start = Instant::now();
    let mut opens = Stream::new(rates.opens);
    let mut execs = Stream::new(rates.execs);
    while start.elapsed() < time {
        for _ in 0..opens.due(start.elapsed()) {
            if operation::open(&open) != Err(libc::ENOENT) {
                bail!("{STORM_OPEN} could be opened");
            }
        }
        for _ in 0..execs.due(start.elapsed()) {
            if operation::exec(&exec) != libc::ENOENT {
                bail!("{STORM_EXEC} failed for another reason than that it is missing");
            }
        }
        thread::sleep(TICK);
    }
    Ok(Caused { opens: opens.made, execs: execs.made, time: start.elapsed() })
}

/// Calls at a rate.
struct Stream {
    rate: u32,
    offered: u64,
    made: u64,
}

impl Stream {
    fn new(rate: u32) -> Self {
        Self { rate, offered: 0, made: 0 }
    }

    /// How many are to be made now.
    fn due(&mut self, elapsed: Duration) -> u64 {
        let until_now =
            u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) * u64::from(self.rate) / 1_000_000;
        let due = (until_now - self.offered).min(u64::from(self.rate / CATCH_UP + 1));
        self.offered = until_now;
        self.made += due;
        due
    }
}

/// Storms until each subject loses, and the one with opens and execs together.
pub(super) fn climb(lineup: &Lineup, peers: &[Peer], time: Duration) -> Result<Vec<Climb>> {
    let root = Place::root()?;
    let container = root.container(1)?;
    let mut worker = Worker::start(container.directory())?;
    let name = container.short().context("the container has no name")?;
    let _away = Away::from(cpu::last()?)?;
    say::progress("storms: gomon");
    let agent = lineup.start()?;
    let mut before = settled(&agent, name)?;
    let steps = ladder(true, true, |rates| {
        let caused = worker.storm(rates, time)?;
        let after = settled(&agent, name)?;
        let captured = after.since(before);
        before = after;
        Ok(Step { rates, caused, captured })
    })?;
    drop(agent);
    let mut climbs = vec![Climb { subject: Subject::Gomon, steps }];
    // What prints the opens that succeed is no better at those that fail.
    for &peer in peers.iter().filter(|peer| **peer != Peer::Opensnoop && peer.sees() != (false, false)) {
        let (opens, execs) = peer.sees();
        say::progress(format_args!("storms: {}", peer.title()));
        let steps = ladder(opens, execs, |rates| peer_in(lineup, peer, &mut worker, rates, time))?;
        climbs.push(Climb { subject: Subject::Peer(peer), steps });
    }
    Ok(climbs)
}

fn ladder(opens: bool, execs: bool, mut storm: impl FnMut(Rates) -> Result<Step>) -> Result<Vec<Step>> {
    let open_rates = OPEN_RATES.map(|opens| Rates { opens, execs: 0 });
    let exec_rates = EXEC_RATES.map(|execs| Rates { opens: 0, execs });
    let mut ladders: Vec<&[Rates]> = Vec::new();
    if opens {
        ladders.push(&open_rates);
    }
    if execs {
        ladders.push(&exec_rates);
    }
    ladders.push(&[BOTH]);
    let mut steps = Vec::new();
    for ladder in ladders {
        for &rates in ladder {
            let step = storm(rates)?;
            steps.push(step);
            let (missing_opens, missing_execs) = step.missing();
            if opens && missing_opens > 0 || execs && missing_execs > 0 {
                break;
            }
        }
    }
    Ok(steps)
}

/// What the agent has received and lost, once its rings are empty.
fn settled(agent: &Agent, container: &str) -> Result<Printed> {
    let read = || -> Result<Printed> {
        let metrics = agent.metrics()?;
        let account = Account::read(&metrics);
        let opens = account.of("open").map(|probe| probe.received);
        Ok(Printed {
            opens: opens.context("gomon has no probe of opens")?,
            execs: metrics.count("gomon_container_exec_failures_total", &[("container", container)]),
            lost: account.total(|probe| probe.lost) + account.dropped,
        })
    };
    thread::sleep(REFRESH);
    let mut last = read()?;
    process::poll(SETTLE, REFRESH, || {
        let now = read();
        let is_settled = now.as_ref().is_ok_and(|now| *now == last);
        last = now.unwrap_or(last);
        is_settled
    });
    Ok(last)
}

fn peer_in(lineup: &Lineup, peer: Peer, worker: &mut Worker, rates: Rates, time: Duration) -> Result<Step> {
    let dir = cache::dir("bench")?;
    let watching = peer.watch(lineup.peers()?, Some(&dir))?;
    let caused = worker.storm(rates, time)?;
    // What is on its way to the tool is printed, too.
    thread::sleep(REFRESH);
    let captured = watching.finish()?;
    Ok(Step { rates, caused, captured })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_its_rate_and_does_not_make_up_for_long_pauses() {
        let mut stream = Stream::new(1_000);
        assert_eq!(stream.due(Duration::from_millis(5)), 5);
        assert_eq!(stream.due(Duration::from_millis(5)), 0);
        assert_eq!(stream.due(Duration::from_secs(1)), 21);
        assert_eq!(stream.due(Duration::from_millis(1_001)), 1);
        assert_eq!(stream.made, 27);
    }

    #[test]
    fn a_ladder_ends_at_the_first_loss() {
        let steps = ladder(true, false, |rates| {
            let opens = u64::from(rates.opens);
            let captured = Printed { opens: opens.min(20_000), execs: 0, lost: 0 };
            Ok(Step { rates, caused: Caused { opens, execs: 0, time: Duration::ZERO }, captured })
        });
        let rates: Vec<u32> = steps.unwrap().iter().map(|step| step.rates.opens).collect();
        assert_eq!(rates, [10_000, 33_000, 33_000]);
    }
}

//! What the agent itself takes: processor, memory, time to start, time from an event to its metric.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::crowd::Crowd;
use super::figures::quantile;
use super::operation::Operation;
use super::place::Place;
use super::storm::Rates;
use super::subject::Lineup;
use super::worker::Worker;
use crate::agent::{Agent, Metrics};
use crate::{process, say};

const CROWDS: [usize; 3] = [1, 100, 1_000];
/// Events a second.
const RATES: [u32; 3] = [0, 1_000, 10_000];
/// After a crowd has gathered the agent looks at each of its containers.
const SETTLE: Duration = Duration::from_secs(2);
const SEEN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_micros(500);

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// For each load.
    pub(super) time: Duration,
    pub(super) starts: usize,
    pub(super) latencies: usize,
}

/// The agent under one load.
#[derive(Debug, Serialize)]
pub(super) struct Load {
    pub(super) containers: usize,
    pub(super) events_per_second: u32,
    /// Of one core.
    pub(super) cpu_percent: f64,
    pub(super) resident_bytes: f64,
    pub(super) peak_bytes: f64,
}

/// From the start of the process until it sees.
#[derive(Debug, Serialize)]
pub(super) struct Starts {
    pub(super) containers: usize,
    pub(super) seconds: Vec<f64>,
}

/// Seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Latency {
    pub(super) samples: u64,
    pub(super) median: f64,
    pub(super) p99: f64,
}

/// Everything that was measured here.
#[derive(Debug, Serialize)]
pub(super) struct Budget {
    pub(super) loads: Vec<Load>,
    pub(super) starts: Vec<Starts>,
    /// From before a failing execve to the end of the scrape that shows it.
    pub(super) to_metric: Latency,
    /// From the event in the kernel to its place in the container's timeline, by the agent's histogram.
    pub(super) to_timeline: Latency,
}

pub(super) fn measure(lineup: &Lineup, effort: Effort) -> Result<Budget> {
    let root = Place::root()?;
    let container = root.container(0)?;
    let mut worker = Worker::start(container.directory())?;
    let (mut loads, mut starts) = (Vec::new(), Vec::new());
    for containers in CROWDS {
        say::progress(format_args!("the agent with {containers} containers"));
        let agent = lineup.start()?;
        // The worker's is one of them.
        let crowd = Crowd::gather(&root, 1..=containers - 1)?;
        thread::sleep(SETTLE);
        let own = root.named("agent")?;
        own.adopt(agent.pid().context("the agent has ended")?)?;
        for events_per_second in RATES {
            let cpu = own.cpu()?;
            let time = busy(&mut worker, events_per_second, effort.time)?;
            let cpu_percent = 100.0 * own.cpu()?.saturating_sub(cpu).as_secs_f64() / time.as_secs_f64();
            let (resident_bytes, peak_bytes) = memory(&agent)?;
            loads.push(Load { containers, events_per_second, cpu_percent, resident_bytes, peak_bytes });
        }
        drop(agent);
        let seconds = (0..effort.starts).map(|_| Ok(lineup.start()?.ready_after.as_secs_f64()));
        starts.push(Starts { containers, seconds: seconds.collect::<Result<_>>()? });
        drop(crowd);
    }
    let (to_metric, to_timeline) = latencies(lineup, &container, &mut worker, effort)?;
    Ok(Budget { loads, starts, to_metric, to_timeline })
}

/// Events at a rate for about so long; the time that it took.
fn busy(worker: &mut Worker, events_per_second: u32, time: Duration) -> Result<Duration> {
    if events_per_second == 0 {
        let start = Instant::now();
        thread::sleep(time);
        return Ok(start.elapsed());
    }
    Ok(worker.storm(Rates { opens: events_per_second, execs: 0 }, time)?.time)
}

/// Resident now, and at most.
fn memory(agent: &Agent) -> Result<(f64, f64)> {
    let pid = agent.pid().context("the agent has ended")?;
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0)
    };
    field("VmRSS:").zip(field("VmHWM:")).with_context(|| format!("{path} tells no memory"))
}

fn latencies(
    lineup: &Lineup,
    container: &Place,
    worker: &mut Worker,
    effort: Effort,
) -> Result<(Latency, Latency)> {
    say::progress("from the event to its metric");
    let agent = lineup.start()?;
    let name = container.short().context("the container has no name")?;
    let mut seconds = Vec::new();
    for _ in 0..effort.latencies {
        seconds.push(one_latency(&agent, name, worker)?.as_secs_f64());
    }
    let to_metric = Latency {
        samples: seconds.len() as u64,
        median: quantile(&seconds, 0.5),
        p99: quantile(&seconds, 0.99),
    };
    let before = agent.metrics()?;
    busy(worker, 1_000, effort.time)?;
    thread::sleep(SETTLE);
    let to_timeline = histogram(&before, &agent.metrics()?)?;
    Ok((to_metric, to_timeline))
}

fn one_latency(agent: &Agent, name: &str, worker: &mut Worker) -> Result<Duration> {
    let failures =
        |metrics: &Metrics| metrics.count("gomon_container_exec_failures_total", &[("container", name)]);
    let before = failures(&agent.metrics()?);
    let start = Instant::now();
    worker.repeat(Operation::ExecMissing, 1)?;
    let mut took = None;
    process::poll(SEEN, ASK_AGAIN, || {
        let is_there = agent.metrics().is_ok_and(|metrics| failures(&metrics) > before);
        took = is_there.then(|| start.elapsed());
        is_there
    });
    match took {
        Some(took) => Ok(took),
        None => bail!("no scrape showed a failed execve of {name} within {} s", SEEN.as_secs()),
    }
}

/// What came to the agent's own histogram between two scrapes.
fn histogram(before: &Metrics, after: &Metrics) -> Result<Latency> {
    const BUCKETS: &str = "gomon_event_latency_seconds_bucket";
    let mut buckets = Vec::new();
    for sample in after.samples(BUCKETS) {
        let bound = sample.label("le").context("a bucket has no bound")?;
        let count = sample.count() - before.count(BUCKETS, &[("le", bound)]);
        buckets.push((bound.parse::<f64>().unwrap_or(f64::INFINITY), count));
    }
    let samples = buckets.last().context("the agent has no histogram of latencies")?.1;
    Ok(Latency { samples, median: within(&buckets, 0.5), p99: within(&buckets, 0.99) })
}

/// As Prometheus does it: linear within a bucket, and the last bound for what lies beyond it.
#[expect(clippy::cast_precision_loss, reason = "some thousands of events")]
fn within(buckets: &[(f64, u64)], share: f64) -> f64 {
    let all = buckets.last().map_or(0, |(_, count)| *count) as f64;
    let (mut low, mut below) = (0.0, 0.0);
    for &(bound, count) in buckets {
        let count = count as f64;
        if count >= share * all {
            let part = if count > below { (share * all - below) / (count - below) } else { 0.0 };
            return if bound.is_finite() { low + (bound - low) * part } else { low };
        }
        (low, below) = (bound, count);
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_of_a_histogram_lies_within_its_bucket() {
        let buckets = [(0.001, 50), (0.002, 100), (f64::INFINITY, 100)];
        assert!((within(&buckets, 0.5) - 0.001).abs() < 1e-9);
        assert!((within(&buckets, 0.75) - 0.0015).abs() < 1e-9);
        assert!((within(&[(0.001, 0), (f64::INFINITY, 4)], 0.99) - 0.001).abs() < 1e-9);
        assert!(within(&[], 0.99).abs() < 1e-9);
    }
}

//! Measures the time from a failing execve in the kernel to the first scrape that shows the verdict.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::cast::{Dead, Member, Stage};
use crate::agent::Agent;

const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// What one container took, and how fine the clock was.
pub(super) struct Sample {
    pub(super) dead: Dead,
    pub(super) latency: Duration,
    /// Time of the scrape that showed it.
    pub(super) scrape: Duration,
}

/// Runs one container and scrapes until its diagnosis is there.
pub(super) fn sample(agent: &Agent, member: &Member, stage: &Stage<'_>) -> Result<Sample> {
    thread::scope(|scope| {
        let run = scope.spawn(|| member.die(stage));
        let seen = wait(agent, member);
        let dead = run.join().ok().context("the thread that ran docker panicked")??;
        let (latency, scrape) = seen?;
        Ok(Sample { dead, latency, scrape })
    })
}

/// The execve's time is the one that the diagnosis has as its kernel evidence; the metric has it unrounded.
fn wait(agent: &Agent, member: &Member) -> Result<(Duration, Duration)> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let asked = Instant::now();
        let metrics = agent.metrics()?;
        let (scrape, now) = (asked.elapsed(), SystemTime::now().duration_since(UNIX_EPOCH)?);
        let failed = metrics
            .samples("gomon_diagnosis_last_timestamp_seconds")
            .filter(|sample| {
                sample.has("container", &member.name) && sample.has("pattern", member.kind.pattern)
            })
            .find_map(|sample| sample.number());
        if let Some(failed) = failed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            let latency = now.checked_sub(failed).context("the diagnosis is from the future")?;
            return Ok((latency, scrape));
        }
        thread::sleep(PAUSE.saturating_sub(asked.elapsed()));
    }
    bail!("no scrape showed a diagnosis of {} within {} s", member.name, PATIENCE.as_secs())
}

/// The value below which this share of the sorted values lies (nearest rank).
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&hundred, 50), Duration::from_millis(50));
        assert_eq!(percentile(&hundred, 99), Duration::from_millis(99));
        assert_eq!(percentile(&hundred[..50], 99), Duration::from_millis(50));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}

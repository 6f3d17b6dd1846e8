//! `cargo xtask churn`: many containers that die at exec; measures whether and how fast gomon explains each of them.

mod bundles;
mod cast;
mod latency;
mod report;
mod verdict;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::agent::{Account, Agent, Metrics, Profile, Start};
use crate::docker::Labelled;
use crate::{cache, ground, process, say};
use bundles::Bundles;
use cast::{Dead, Member, Stage};
use latency::Sample;
use report::Report;
use verdict::{Verdict, judge};

const VERDICTS: Duration = Duration::from_secs(30);
/// What must not come may come late.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Series that one container can have, with room to spare: the limit itself is not what is measured.
const SERIES_EACH: usize = 64;

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Runtime {
    Docker,
    /// runc alone: nothing above it keeps a name.
    Runc,
}

impl Runtime {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Runc => "runc",
        }
    }
}

/// How the churn is run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Containers that are run side by side
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=3000))]
    containers: u16,
    /// How many of them at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    at_once: u8,
    /// Containers that are run alone before, to measure the time to the verdict
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    singles: u16,
    /// What runs them, side by side
    #[arg(long, value_name = "RUNTIME", value_delimiter = ',', default_value = "docker")]
    runtimes: Vec<Runtime>,
    /// Measure an optimised gomon
    #[arg(long)]
    release: bool,
}

/// Fails unless every container has its one diagnosis and no event was lost.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let _daemon = ground::prepare("churn")?;
    let profile = if options.release { Profile::Release } else { Profile::Dev };
    let all = usize::from(options.containers) + usize::from(options.singles);
    let start = Start { task: "churn", listen: None, profile, max_series: Some(20_000 + all * SERIES_EACH) };
    let agent = start.run()?;
    let labelled = Labelled::clear("churn");
    let ids = ids()?;
    let bundles = options.runtimes.contains(&Runtime::Runc).then(Bundles::prepare).transpose()?;
    let stage = Stage { labelled: &labelled, ids: &ids, bundles: bundles.as_ref() };
    let samples = samples(&agent, &options, &stage)?;
    let before = agent.metrics()?;
    let started = Instant::now();
    let (crowd, mishaps) = crowd(&options, &stage);
    let wall = started.elapsed();
    let after = agent.metrics()?;
    let mut dead = crowd;
    let latencies = sorted(&samples, |sample| sample.latency);
    let scrapes = sorted(&samples, |sample| sample.scrape);
    dead.extend(samples.into_iter().map(|sample| sample.dead));
    let verdicts = verdicts(&agent, &dead)?;
    let report = Report {
        options,
        profile,
        verdicts,
        mishaps,
        account: Account::settled(&agent)?,
        latencies,
        scrapes,
        wall,
        cpu_seconds: cpu(&after) - cpu(&before),
        resident_bytes: after.value("process_resident_memory_bytes"),
        peak_bytes: agent.peak_resident_bytes(),
        ready_after: agent.ready_after,
    };
    Ok(if report.show() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An empty directory for the files with the containers' ids.
fn ids() -> Result<PathBuf> {
    let dir = cache::dir("churn")?.join("ids");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

fn samples(agent: &Agent, options: &Options, stage: &Stage<'_>) -> Result<Vec<Sample>> {
    let count = options.singles;
    say::progress(format_args!("{count} containers, one after the other"));
    let cast = cast::cast("churn-single", count.into(), &options.runtimes);
    cast.iter().map(|member| latency::sample(agent, member, stage)).collect()
}

/// Runs the containers side by side; those that were not run come back as sentences.
fn crowd(options: &Options, stage: &Stage<'_>) -> (Vec<Dead>, Vec<String>) {
    let Options { containers, at_once, runtimes, .. } = options;
    say::progress(format_args!("{containers} containers, {at_once} at the same time"));
    let waiting = Mutex::new(cast::cast("churn", (*containers).into(), runtimes).into_iter());
    let next = || waiting.lock().ok()?.next();
    let work = || -> Vec<Result<Dead>> {
        std::iter::from_fn(next).map(|member: Member| member.die(stage)).collect()
    };
    let (mut dead, mut mishaps) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..*at_once).map(|_| scope.spawn(work)).collect();
        for result in workers.into_iter().filter_map(|worker| worker.join().ok()).flatten() {
            match result {
                Ok(one) => dead.push(one),
                Err(error) => mishaps.push(format!("{error:#}")),
            }
        }
    });
    (dead, mishaps)
}

/// Waits until every container has a diagnosis, and a while longer for those that must not be.
fn verdicts(agent: &Agent, dead: &[Dead]) -> Result<Vec<(String, Verdict)>> {
    say::progress("waiting for the verdicts");
    process::wait_until(VERDICTS, || {
        agent.diagnoses().is_ok_and(|all| {
            dead.iter().all(|one| all.iter().any(|found| found.is_about(&one.id) && found.is_harsh()))
        })
    });
    thread::sleep(AFTERMATH);
    let (all, metrics) = (agent.diagnoses()?, agent.metrics()?);
    Ok(dead.iter().map(|one| (one.name.clone(), judge(one, &all, &metrics))).collect())
}

fn sorted(samples: &[Sample], of: fn(&Sample) -> Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = samples.iter().map(of).collect();
    times.sort();
    times
}

fn cpu(metrics: &Metrics) -> f64 {
    metrics.value("process_cpu_seconds_total").unwrap_or_default()
}

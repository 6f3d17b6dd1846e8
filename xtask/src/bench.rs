//! `cargo xtask bench`: what gomon costs, always against a baseline of the same run.

mod bpf;
mod btf;
mod budget;
mod cpu;
mod crowd;
mod empty;
mod figures;
mod goals;
mod machine;
mod micro;
mod operation;
mod peer;
mod place;
mod report;
mod rounds;
mod statistics;
mod storm;
mod subject;
mod tables;
mod worker;
mod workload;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

pub(crate) use worker::{Arguments as WorkerArguments, run as work};

use crate::agent::{self, Profile};
use crate::setup::{self, Part, peers::Peers};
use crate::workspace::Workspace;
use crate::{cache, command, kernel, say};
use machine::Machine;
use micro::Effort;
use report::Results;
use subject::{Lineup, Subject};

/// Written on demand, from a run on a quiet machine.
const PAGE: &str = "docs/overhead.md";

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Chapter {
    /// Single operations: nanoseconds beside each subject
    Micro,
    /// Whole pieces of work: execs, opens, a Go service, a cold `go build`
    Macro,
    /// Failing opens and execs at rising rates, up to loss
    Storm,
    /// The agent's processor time, memory, start-up and latency
    Agent,
    /// Each kernel program by the kernel's own statistics
    Stats,
}

/// How the bench is run.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Options {
    /// Run only this part; may be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<Chapter>,
    /// Rounds of baseline, subject, baseline
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Fewer and shorter rounds: for a first look, not for the record
    #[arg(long)]
    quick: bool,
    /// Measure a gomon that is not optimised
    #[arg(long)]
    dev: bool,
    /// Write docs/overhead.md anew
    #[arg(long, conflicts_with_all = ["only", "quick", "dev", "no_peers", "against"])]
    write_docs: bool,
    /// Leave out opensnoop, execsnoop and bpftrace
    #[arg(long)]
    no_peers: bool,
    /// Another gomon, measured beside the one of this checkout
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
}

/// Prints the figures and keeps what they come from.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !command::is_root() {
        bail!("`cargo xtask bench` loads kernel programs and makes cgroups: run it as root");
    }
    if let Some(why) = kernel::refusal() {
        bail!("this machine cannot run `cargo xtask bench`: {why}");
    }
    setup::require(&[Part::RustSources, Part::BpfLinker, Part::Tracefs])?;
    let _alone = alone()?;
    let before = strangers()?;
    let profile = if options.dev { Profile::Dev } else { Profile::Release };
    let peers = options.peers();
    let lineup = Lineup::new(agent::build(profile)?, profile, options.against.clone(), peers)?;
    let micro = options
        .wants(Chapter::Micro)
        .then(|| micro::measure(&lineup, &options.subjects(&lineup), options.effort()))
        .transpose()?;
    let workloads = options
        .wants(Chapter::Macro)
        .then(|| workload::measure(&lineup, &setup::go::ensure()?, options.workload_effort()))
        .transpose()?;
    let storm = options
        .wants(Chapter::Storm)
        .then(|| storm::climb(&lineup, lineup.all_peers(), options.storm_time()))
        .transpose()?;
    let statistics = options
        .wants(Chapter::Stats)
        .then(|| statistics::measure(&lineup, options.statistics_time()))
        .transpose()?;
    let budget = options
        .wants(Chapter::Agent)
        .then(|| budget::measure(&lineup, options.budget_effort()))
        .transpose()?;
    // The bench's own programs take a moment to go.
    thread::sleep(rounds::SETTLE);
    let machine = Machine::read(before.max(strangers()?))?;
    let results = Results { machine, lineup, micro, workloads, storm, statistics, budget };
    say::result(results.markdown());
    if options.write_docs {
        fs::write(PAGE, results.markdown()).with_context(|| format!("cannot write {PAGE}"))?;
    }
    say::progress(format_args!("raw data: {}", keep(&results)?.display()));
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn wants(&self, chapter: Chapter) -> bool {
        self.only.is_empty() || self.only.contains(&chapter)
    }

    /// Without them the rest can be measured all the same.
    fn peers(&self) -> Option<Peers> {
        if self.no_peers {
            return None;
        }
        let missing = |error| say::warning(format_args!("other tools are not measured: {error:#}"));
        setup::peers::ensure().map_err(missing).ok()
    }

    fn subjects(&self, lineup: &Lineup) -> Vec<Subject> {
        let other = self.against.as_ref().map(|_| Subject::OtherGomon);
        let own = [Subject::Empty, Subject::Gomon, Subject::EmptyRawSysExit, Subject::EmptyClassicOpenat];
        let peers = lineup.all_peers().iter().map(|peer| Subject::Peer(*peer));
        own.into_iter().chain(other).chain(peers).collect()
    }

    fn statistics_time(&self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 1_000 })
    }

    fn budget_effort(&self) -> budget::Effort {
        let (seconds, starts, latencies) = if self.quick { (2, 2, 50) } else { (8, 7, 300) };
        budget::Effort { time: Duration::from_secs(seconds), starts, latencies }
    }

    fn workload_effort(&self) -> workload::Effort {
        let (rounds, execs, opens, seconds) =
            if self.quick { (1, 1_000, 200_000, 1) } else { (3, 10_000, 1_000_000, 3) };
        let load = Duration::from_secs(seconds);
        workload::Effort { rounds: self.rounds.unwrap_or(rounds), execs, opens, load, build: !self.quick }
    }

    fn storm_time(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 3 })
    }

    fn effort(&self) -> Effort {
        let (rounds, millis) = if self.quick { (3, 25) } else { (7, 60) };
        Effort { rounds: self.rounds.unwrap_or(rounds), time: Duration::from_millis(millis) }
    }
}

/// Two at once would measure each other.
fn alone() -> Result<File> {
    let path = cache::dir("bench")?.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.try_lock().with_context(|| format!("another bench holds {}", path.display()))?;
    Ok(file)
}

/// Tracing programs while the bench has none.
fn strangers() -> Result<usize> {
    let found = bpf::tracing_programs()?;
    if found > 0 {
        say::warning(format_args!("{found} tracing programs of others are loaded: part of every baseline"));
    }
    Ok(found)
}

/// Writes the results as JSON beside what cargo builds.
fn keep(results: &Results) -> Result<PathBuf> {
    let dir = Workspace::read()?.target_directory.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let second = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let path = dir.join(format!("{second}.json"));
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    serde_json::to_writer_pretty(file, &results.record())?;
    Ok(path)
}

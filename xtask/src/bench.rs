//! `cargo xtask bench`: what gomon costs, always against a baseline of the same run.

mod empty;
mod figures;
mod machine;
mod micro;
mod operation;
mod place;
mod report;
mod subject;
mod worker;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

pub(crate) use worker::{Arguments as WorkerArguments, run as work};

use crate::agent::{self, Profile};
use crate::setup::{self, Part};
use crate::workspace::Workspace;
use crate::{command, kernel, say};
use machine::Machine;
use micro::Effort;
use report::Results;
use subject::{Lineup, Subject};

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Chapter {
    /// Single operations: nanoseconds beside each subject
    Micro,
}

/// How the bench is run.
#[derive(Debug, clap::Args)]
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
    let profile = if options.dev { Profile::Dev } else { Profile::Release };
    let lineup = Lineup::new(agent::build(profile)?, profile, options.against.clone())?;
    let micro = options
        .wants(Chapter::Micro)
        .then(|| micro::measure(&lineup, &options.subjects(), options.effort()))
        .transpose()?;
    let results = Results { machine: Machine::read()?, lineup, micro };
    results.show();
    say::progress(format_args!("raw data: {}", keep(&results)?.display()));
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn wants(&self, chapter: Chapter) -> bool {
        self.only.is_empty() || self.only.contains(&chapter)
    }

    fn subjects(&self) -> Vec<Subject> {
        let other = self.against.as_ref().map(|_| Subject::OtherGomon);
        let own = [Subject::Empty, Subject::Gomon, Subject::EmptyRawSysExit, Subject::EmptyClassicOpenat];
        own.into_iter().chain(other).collect()
    }

    fn effort(&self) -> Effort {
        let (rounds, millis) = if self.quick { (3, 20) } else { (9, 40) };
        Effort { rounds: self.rounds.unwrap_or(rounds), time: Duration::from_millis(millis) }
    }
}

/// Writes the results as JSON beside what cargo builds.
fn keep(results: &Results) -> Result<PathBuf> {
    let dir = Workspace::read()?.target_directory.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let second = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let path = dir.join(format!("{second}.json"));
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    serde_json::to_writer_pretty(file, results)?;
    Ok(path)
}

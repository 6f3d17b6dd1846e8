//! The commands: each turns its options into one answer on standard output and an exit code.

#[cfg(feature = "kernel")]
mod agent;
mod ask;
mod completions;
mod conclusions;
#[cfg(feature = "kernel")]
mod diagnose;
mod doctor;
#[cfg(feature = "kernel")]
mod events;
pub mod exit;
mod explain;
mod incidents;
#[cfg(feature = "kernel")]
mod live;
mod log;
pub mod output;
#[cfg(feature = "kernel")]
mod record;
#[cfg(feature = "kernel")]
mod remembered;
mod replay;
mod report;
pub mod settings;
pub mod version;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use exit::{Exit, Failure};
use output::Output;

/// What `gomon` does: parses the command line, runs the command, tells the error.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.color);
    match run(&cli, output) {
        Ok(exit) => exit.into(),
        Err(failure) if failure.is_closed_pipe() => Exit::Nothing.into(),
        Err(failure) => {
            output.error(&failure);
            failure.exit.into()
        }
    }
}

fn run(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    match &cli.command {
        #[cfg(feature = "kernel")]
        Command::Agent(args) => agent::run(args, cli.global),
        #[cfg(feature = "kernel")]
        Command::Diagnose(args) => diagnose::run(args, cli.global, output),
        #[cfg(feature = "kernel")]
        Command::Events(args) => events::run(args, cli.global, output),
        #[cfg(feature = "kernel")]
        Command::Record(args) => record::run(args, cli.global),
        Command::Replay(args) => replay::run(args, output),
        Command::Incidents(args) => incidents::run(args, output),
        Command::Report(args) => report::run(args, output),
        Command::Doctor(args) => doctor::run(args, output),
        Command::Explain(args) => explain::run(args, output),
        Command::Completions(args) => completions::run(*args, output),
        Command::Version(args) => version::run(*args, output),
    }
}

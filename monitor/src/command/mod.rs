//! The commands: each turns its options into one answer on standard output and an exit code.

mod completions;
mod doctor;
pub mod exit;
mod explain;
pub mod output;
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
        Command::Doctor(args) => doctor::run(args, output),
        Command::Explain(args) => explain::run(args, output),
        Command::Completions(args) => completions::run(*args, output),
        Command::Version(args) => version::run(*args, output),
    }
}

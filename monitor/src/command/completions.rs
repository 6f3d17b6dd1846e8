//! `gomon completions`: the completion script of a shell.

use clap::CommandFactory;

use super::{
    exit::{Exit, Failure, OrExit},
    output::Output,
};
use crate::cli::{Cli, args::CompletionsArgs};

pub(super) fn run(args: CompletionsArgs, output: Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gomon", &mut script);
    let script = String::from_utf8(script).or_exit(Exit::Usage)?;
    output.print(&script).or_exit(Exit::Usage)?;
    Ok(Exit::Nothing)
}

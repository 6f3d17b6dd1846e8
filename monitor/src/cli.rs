//! The command line: names, options and help texts, which are API. Parses; never acts.

pub mod args;
pub mod incidents;
pub mod parse;
pub mod report;
pub mod target;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "kernel")]
use args::{AgentArgs, DiagnoseArgs, EventsArgs, RecordArgs};
use args::{CompletionsArgs, DoctorArgs, ExplainArgs, ReplayArgs, VersionArgs};
use incidents::IncidentsArgs;
use report::PostmortemArgs;

/// Names why a Go container fails, from what the kernel saw and what the container's files say.
#[derive(Debug, Parser)]
#[command(name = "gomon", version, arg_required_else_help = true, propagate_version = true)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 wrong usage or \
configuration, 3 cannot observe, 4 target not found, 5 inconclusive.";

/// Options of every command.
#[derive(Debug, Clone, Copy, Args)]
pub struct Global {
    /// Log errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Colour the output; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch all containers of this node; serve metrics and diagnoses
    #[cfg(feature = "kernel")]
    Agent(AgentArgs),
    /// Name why one container fails
    #[cfg(feature = "kernel")]
    Diagnose(DiagnoseArgs),
    /// Stream what the kernel sees in containers
    #[cfg(feature = "kernel")]
    Events(EventsArgs),
    /// Record everything that a diagnosis could rest on
    #[cfg(feature = "kernel")]
    Record(RecordArgs),
    /// Diagnose a recording, on any machine
    Replay(ReplayArgs),
    /// Show what an agent has found and kept, also before its last restart
    Incidents(Box<IncidentsArgs>),
    /// Write a postmortem of what an agent has kept: Markdown, JSON or one HTML page
    Report(Box<PostmortemArgs>),
    /// Check whether gomon can see here, and what to do where it cannot
    Doctor(DoctorArgs),
    /// Show the manual of a failure pattern, or list all patterns
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the version and how gomon was built
    Version(VersionArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_a_help_text_without_a_full_stop() {
        for command in Cli::command().get_subcommands() {
            for option in command.get_arguments() {
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(
                    !help.is_empty() && !help.ends_with('.'),
                    "{} {option}: {help:?}",
                    command.get_name()
                );
            }
        }
    }
}

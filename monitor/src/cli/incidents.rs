//! The options of `gomon incidents`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    args::Selection,
    parse::{format, severity},
};
use crate::{model::diagnosis::Severity, report::Format, when::Since};

/// `gomon incidents`: without a word it lists.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct IncidentsArgs {
    #[command(subcommand)]
    pub command: Option<IncidentsCommand>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum IncidentsCommand {
    /// List incidents, the one that was seen last first
    List(ListArgs),
    /// Show all of one incident: evidence, timeline, coverage and remedy
    Show(ShowArgs),
}

/// Where incidents come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Source")]
pub struct SourceArgs {
    /// Read this store instead of asking the agent
    #[arg(long, value_name = "PATH", conflicts_with = "socket")]
    pub store: Option<PathBuf>,
    /// Ask the agent on this unix socket [default: /run/gomon/gomon.sock]
    #[arg(long, value_name = "PATH", env = "GOMON_SOCKET")]
    pub socket: Option<PathBuf>,
}

/// Which of them.
#[derive(Debug, Clone, Args)]
pub struct FilterArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Incidents that were seen since then: 10m, or a time such as 2026-03-01T09:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Incidents that began before then: 10m ago, or a time
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Since>,
    /// Incidents of this pattern
    #[arg(long, value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Incidents of this severity and above
    #[arg(long, value_name = "SEVERITY", default_value = "warning", value_parser = severity())]
    pub min_severity: Severity,
    /// Remarks of severity info, too
    #[arg(short = 'A', long, conflicts_with = "min_severity")]
    pub all: bool,
    /// Show so many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
}

/// `gomon incidents list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Exit with 1 for an incident of this severity or above
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    pub fail_on: Option<Severity>,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns", value_parser = format())]
    pub output: Format,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `gomon incidents show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Id as in the list, or the beginning of one
    pub id: String,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "columns", value_parser = format())]
    pub output: Format,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Incidents {
        #[command(flatten)]
        args: IncidentsArgs,
    }

    fn parse(line: &str) -> Result<IncidentsArgs, clap::Error> {
        let words = std::iter::once("incidents").chain(line.split_whitespace());
        Incidents::try_parse_from(words).map(|parsed| parsed.args)
    }

    #[test]
    fn without_a_word_it_lists_with_the_same_options() {
        let bare =
            parse("-n shop -p api-7d9f -c api --since 1d --until 1h --pattern oom-kill -o wide").unwrap();
        assert!(bare.command.is_none());
        assert_eq!(bare.list.filter.selection.pod.as_deref(), Some("api-7d9f"));
        let Some(IncidentsCommand::List(list)) = parse("list -A --limit 5 -o jsonl").unwrap().command else {
            panic!("list is a command");
        };
        assert_eq!((list.filter.all, list.filter.limit, list.output), (true, 5, Format::Jsonl));
        assert!(matches!(parse("show 0a1b --store /a.db").unwrap().command, Some(IncidentsCommand::Show(_))));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for line in
            ["-A --min-severity error", "show", "list --store /a --socket /b", "-n a list", "--since soon"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}

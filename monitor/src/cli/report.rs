//! The options of `gomon report`.

use clap::{ArgGroup, Args};

use super::{
    incidents::{FilterArgs, SourceArgs},
    parse::PostmortemFormat,
};

/// `gomon report`: about one incident, or about all that fit.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("about").multiple(true).required(true).args([
    "id", "namespace", "pod", "container", "since", "until", "pattern",
]))]
pub struct PostmortemArgs {
    /// Id of an incident as in `gomon incidents`, or the beginning of one; what brought it about comes along
    #[arg(conflicts_with_all = ["namespace", "pod", "container", "since", "until", "pattern"])]
    pub id: Option<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "markdown")]
    pub output: PostmortemFormat,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Report {
        #[command(flatten)]
        args: PostmortemArgs,
    }

    fn parse(line: &str) -> Result<PostmortemArgs, clap::Error> {
        Report::try_parse_from(std::iter::once("report").chain(line.split_whitespace()))
            .map(|parsed| parsed.args)
    }

    #[test]
    fn it_is_about_one_incident_or_about_all_that_fit() {
        assert_eq!(parse("0a1b2c3d4e").unwrap().id.as_deref(), Some("0a1b2c3d4e"));
        for line in [
            "-c api -o json",
            "-n shop -p api-7d9f -A",
            "--since 1d --until 1h -o json",
            "--pattern oom-kill",
        ] {
            assert!(parse(line).is_ok_and(|args| args.id.is_none()), "{line}");
        }
    }

    #[test]
    fn a_report_about_nothing_or_about_two_things_is_refused() {
        for line in ["", "-A", "0a1b2c3d4e -c api", "0a1b2c3d4e --since 1d", "-c api -o columns"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}

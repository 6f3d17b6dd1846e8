//! `cargo xtask demo`: breaks real containers in a dozen ways and shows what gomon says about each.

mod agent;
mod http;
mod parade;
mod stage;
mod verdict;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::docker::Daemon;
use crate::fixtures::{self, Image};
use crate::setup::{self, Part};
use crate::{command, kernel, process, say};
use agent::Agent;
use parade::{Act, PARADE};
use stage::Stage;
use verdict::{Diagnosis, Outcome};

const VERDICTS: Duration = Duration::from_secs(45);
/// Where the kernel knows an emulator for the demo's foreign architecture, if it does.
const ARM64_EMULATOR: &str = "/proc/sys/fs/binfmt_misc/qemu-aarch64";

/// How the demo is run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the agent listens [default: a free port on 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Fails unless every container got the verdict that it deserves.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !command::is_root() {
        bail!("the demo loads kernel programs and runs containers: run it as root");
    }
    if let Some(why) = kernel::refusal() {
        bail!("this machine cannot run the demo: {why}");
    }
    setup::require(&[Part::RustSources, Part::BpfLinker, Part::Tracefs])?;
    setup::require(&Part::CONTAINERS)?;
    let _daemon = Daemon::ensure()?;
    fixtures::ensure(&setup::go::ensure()?, &Image::DEFAULT)?;
    let agent = Agent::start(options.listen)?;
    let _stage = Stage::clear();
    let acts = play()?;
    let diagnoses = collect(&agent, &acts)?;
    let right = show(&acts, &diagnoses);
    show_metrics(&agent)?;
    show_next(&agent.program);
    say::result("");
    say::result(format_args!("{right} of {} containers were judged rightly", acts.len()));
    Ok(if right == acts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the parade; each act comes back with the id of its container.
fn play() -> Result<Vec<(&'static Act, String)>> {
    let mut played = Vec::new();
    for act in &PARADE {
        if act.expected == Some("wrong-architecture") && Path::new(ARM64_EMULATOR).exists() {
            say::warning("this kernel runs arm64 binaries in an emulator, so that act is left out");
            continue;
        }
        say::progress(format_args!("{}: {}", act.container(), act.shows));
        played.push((act, stage::perform(act)?));
    }
    Ok(played)
}

/// Asks until every verdict is there, or until the time is up.
fn collect(agent: &Agent, acts: &[(&Act, String)]) -> Result<Vec<Diagnosis>> {
    say::progress("waiting for the verdicts");
    let mut answer = Ok(Vec::new());
    process::wait_until(VERDICTS, || {
        answer = http::get_ok(agent.address, "/api/v1/diagnoses").and_then(|json| verdict::parse(&json));
        let Ok(diagnoses) = &answer else { return false };
        acts.iter().all(|(act, id)| verdict::judge(act, id, diagnoses).is_right())
    });
    answer
}

/// Prints every verdict and returns how many are right.
fn show(acts: &[(&Act, String)], diagnoses: &[Diagnosis]) -> usize {
    let mut right = 0;
    for (act, id) in acts {
        let outcome = verdict::judge(act, id, diagnoses);
        right += usize::from(outcome.is_right());
        say::result("");
        say::result(format_args!("{}: {}", act.container(), act.shows));
        let expected = act.expected.unwrap_or("nothing");
        match outcome {
            Outcome::Right(None) => say::result("  right: expected nothing, and gomon found nothing"),
            Outcome::Right(Some(named)) => {
                say::result(format_args!("  right: {}", heading(&named)));
                details(&named);
            }
            Outcome::Silent => {
                say::result(format_args!("  MISSING: expected {expected}, and gomon said nothing"));
            }
            Outcome::Wrong(others) => {
                say::result(format_args!("  WRONG: expected {expected}, and gomon said"));
                for other in others {
                    say::result(format_args!("  {}", heading(&other)));
                    details(&other);
                }
            }
        }
    }
    right
}

fn heading(diagnosis: &Diagnosis) -> String {
    format!("{} ({}, {})", diagnosis.pattern, diagnosis.severity, diagnosis.confidence)
}

fn details(diagnosis: &Diagnosis) {
    say::result(format_args!("    {}", plain(&diagnosis.summary)));
    for evidence in &diagnosis.evidence {
        say::result(format_args!("    - {}: {}", plain(&evidence.source), plain(&evidence.fact)));
    }
    for line in diagnosis.remedy.lines() {
        say::result(format_args!("    > {}", plain(line)));
    }
}

/// Names come from containers, and the terminal is ours.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn show_metrics(agent: &Agent) -> Result<()> {
    let metrics = http::get_ok(agent.address, "/metrics")?;
    say::result("");
    say::result(format_args!("What Prometheus would scrape from http://{}/metrics:", agent.address));
    for line in metrics.lines().filter(|line| counts_diagnoses(line)) {
        say::result(format_args!("  {}", plain(line)));
    }
    Ok(())
}

/// Counters exist at zero for every pattern; those tell nothing here.
fn counts_diagnoses(line: &str) -> bool {
    line.starts_with("gomon_diagnoses_total") && !line.ends_with(" 0")
}

fn show_next(program: &Path) {
    let gomon = program.display();
    say::result("");
    say::result("Where to look next:");
    say::result(format_args!(
        "  {gomon} explain                       every pattern, its cause and its remedy"
    ));
    say::result(format_args!("  {gomon} explain missing-interpreter   one of them"));
    say::result(format_args!(
        "  {gomon} doctor                        what gomon can and cannot see on this machine"
    ));
    say::result("  docs/                                 the same to read");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_above_zero_are_shown() {
        assert!(counts_diagnoses("gomon_diagnoses_total{pattern=\"oom-kill\"} 1"));
        assert!(!counts_diagnoses("gomon_diagnoses_total{pattern=\"oom-kill\"} 0"));
        assert!(!counts_diagnoses("# HELP gomon_diagnoses_total Diagnoses"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }
}

//! `cargo xtask demo`: breaks real containers in many ways and shows what gomon says about each.

mod parade;
mod stage;
mod verdict;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::agent::{Agent, Diagnosis, Profile, Start, plain};
use crate::{ground, kernel, process, say};
use parade::{Act, PARADE};
use stage::Stage;
use verdict::Outcome;

const VERDICTS: Duration = Duration::from_secs(45);

/// How the demo is run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the agent listens [default: a free port on 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Fails unless every container got the verdict that it deserves.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let _daemon = ground::prepare("demo")?;
    let start = Start { task: "demo", listen: options.listen, profile: Profile::Dev, max_series: None };
    let agent = start.run()?;
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
        if act.expected == Some("wrong-architecture") && kernel::emulates_arm64() {
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
        answer = agent.diagnoses();
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
                say::result(format_args!("  right: {}", named.heading()));
                details(&named);
            }
            Outcome::Silent => {
                say::result(format_args!("  MISSING: expected {expected}, and gomon said nothing"));
            }
            Outcome::Wrong(others) => {
                say::result(format_args!("  WRONG: expected {expected}, and gomon said"));
                for other in others {
                    say::result(format_args!("  {}", other.heading()));
                    details(&other);
                }
            }
        }
    }
    right
}

fn details(diagnosis: &Diagnosis) {
    for line in diagnosis.details() {
        say::result(format_args!("    {line}"));
    }
}

fn show_metrics(agent: &Agent) -> Result<()> {
    let metrics = agent.metrics()?;
    say::result("");
    say::result(format_args!("What Prometheus would scrape from http://{}/metrics:", agent.address));
    // Counters exist at zero for every pattern; those tell nothing here.
    for sample in metrics.samples("gomon_diagnoses_total").filter(|sample| sample.count() > 0) {
        say::result(format_args!("  {}", plain(sample.line)));
    }
    Ok(())
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

//! `cargo xtask test`: runs every ring of tests that can run here and says which could not, and why.

mod again;
mod needs;
mod rings;
mod stream;
mod summary;
mod tally;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{command, say};
use again::Failures;
use needs::Bench;
use rings::{Extent, RINGS, Ring};
use summary::{Row, Verdict};
use tally::Tally;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only this ring; may be repeated
    #[arg(long = "ring", value_name = "NAME")]
    rings: Vec<String>,
    /// Every kernel in ring vm, not only the oldest and the newest
    #[arg(long)]
    all: bool,
    /// List the rings and run nothing
    #[arg(long)]
    list: bool,
}

/// Runs the rings in order; one that fails does not keep the others from running.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for ring in RINGS {
            say::result(format_args!("{:<11} {}", ring.name, ring.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&options.rings)?;
    let extent = if options.all { Extent::All } else { Extent::Ordinary };
    let workspace = Workspace::read()?;
    let mut bench = Bench::default();
    let rows: Vec<Row> =
        chosen.into_iter().map(|ring| run_ring(ring, &workspace, extent, &mut bench)).collect();
    // The daemon goes before the verdict, which is to be the last thing on the screen.
    drop(bench);
    say::result("");
    for line in summary::table(&rows) {
        say::result(line);
    }
    let totals = summary::totals(&rows);
    say::result(totals);
    Ok(if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(names: &[String]) -> Result<Vec<&'static Ring>> {
    if names.is_empty() {
        return Ok(RINGS.iter().collect());
    }
    if let Some(unknown) = names.iter().find(|name| RINGS.iter().all(|ring| ring.name != **name)) {
        let known: Vec<&str> = RINGS.iter().map(|ring| ring.name).collect();
        bail!("no ring is called {unknown:?}; there are: {}", known.join(", "));
    }
    Ok(RINGS.iter().filter(|ring| names.iter().any(|name| name == ring.name)).collect())
}

fn run_ring(ring: &'static Ring, workspace: &Workspace, extent: Extent, bench: &mut Bench) -> Row {
    let start = Instant::now();
    let row = |verdict: Verdict, tally: Tally| Row { ring: ring.name, verdict, tally, took: start.elapsed() };
    let steps = bench.check(ring.needs).and_then(|()| (ring.steps)(workspace, extent));
    let steps = match steps {
        Ok(steps) => steps,
        Err(why) => {
            say::warning(format_args!("ring {} is skipped: {why}", ring.name));
            return row(Verdict::Skipped(why), Tally::default());
        }
    };
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for mut step in steps {
        if let Err(why) = run_step(ring, &mut step, bench, &mut tally) {
            failures.push(why);
        }
    }
    match failures.first() {
        None => row(Verdict::Passed, tally),
        Some(why) => row(Verdict::Failed(why.clone()), tally),
    }
}

fn run_step(ring: &Ring, step: &mut Command, bench: &Bench, tally: &mut Tally) -> Result<(), String> {
    let mut failures = Failures::default();
    let result = watch_step(ring, step, bench, |line| {
        tally.count(line);
        failures.see(line);
    });
    let (Err(why), true) = (&result, ring.second_chance) else { return result };
    let Some(names) = failures.few() else { return result };
    say::warning(format_args!("{why}; once more, alone: {}", names.join(", ")));
    let mut second = Tally::default();
    watch_step(ring, &mut again::step(step, &names), bench, |line| second.count(line))?;
    if second.passed != names.len() {
        return result;
    }
    tally.make_unsteady(&names);
    Ok(())
}

fn watch_step(ring: &Ring, step: &mut Command, bench: &Bench, see: impl FnMut(&str)) -> Result<(), String> {
    let name = command::describe(step);
    say::progress(format_args!("ring {}: {name}", ring.name));
    bench.equip(step);
    match stream::run(step, see) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name}` ended with {status}")),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// Seconds with one digit.
fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_ring_is_an_error_that_names_the_known_ones() {
        let error = choose(&["uint".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("uint") && error.contains("unit"), "{error}");
    }

    #[test]
    fn chosen_rings_keep_the_order_of_the_list() {
        let names: Vec<&str> =
            choose(&["unit".to_owned(), "format".to_owned()]).unwrap().iter().map(|ring| ring.name).collect();
        assert_eq!(names, ["format", "unit"]);
    }
}

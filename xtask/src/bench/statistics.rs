//! What each kernel program of gomon takes for each operation, by the kernel's own books, which cost time themselves.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::bpf;
use super::empty::{Empty, Hook};
use super::micro::Where;
use super::operation::Operation;
use super::place::Place;
use super::subject::Lineup;
use super::worker::Worker;
use crate::agent::Agent;
use crate::say;

/// The agent takes over the kernel's books once a second.
const REFRESH: Duration = Duration::from_millis(1_200);

/// One program during one operation.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) program: String,
    pub(super) place: Where,
    pub(super) operation: Operation,
    pub(super) runs_per_operation: f64,
    pub(super) nanoseconds_per_run: f64,
}

/// Everything that was measured here.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    /// What the books say of a program that does nothing: part of every other figure.
    pub(super) empty_nanoseconds: f64,
    pub(super) costs: Vec<Cost>,
}

/// Runs and seconds by program.
type Totals = BTreeMap<String, (f64, f64)>;

pub(super) fn measure(lineup: &Lineup, time: Duration) -> Result<Statistics> {
    say::progress("the kernel's statistics of each program");
    let root = Place::root()?;
    let (container, host) = (root.container(1)?, root.host()?);
    let mut workers = [
        (Where::Container, Worker::start(container.directory())?),
        (Where::Host, Worker::start(host.directory())?),
    ];
    let _books = bpf::keep_books()?;
    let [(_, first), _] = &mut workers;
    let empty_nanoseconds = empty(first, time)?;
    let agent = lineup.start()?;
    let mut costs = Vec::new();
    thread::sleep(REFRESH);
    let mut before = totals(&agent)?;
    for operation in Operation::ALL {
        for (place, worker) in &mut workers {
            let done = worker.price(operation, time)?.operations;
            thread::sleep(REFRESH);
            let after = totals(&agent)?;
            costs.extend(differences(&before, &after, done).map(|(program, runs, nanoseconds)| Cost {
                program,
                place: *place,
                operation,
                runs_per_operation: runs,
                nanoseconds_per_run: nanoseconds,
            }));
            before = after;
        }
    }
    Ok(Statistics { empty_nanoseconds, costs })
}

fn totals(agent: &Agent) -> Result<Totals> {
    let metrics = agent.metrics()?;
    let seconds = |program| {
        let mut samples = metrics.samples("gomon_bpf_program_run_seconds_total");
        samples.find(|sample| sample.has("program", program)).and_then(|sample| sample.number())
    };
    let runs = metrics.samples("gomon_bpf_program_runs_total");
    Ok(runs
        .filter_map(|sample| {
            let program = sample.label("program")?;
            Some((program.to_owned(), (sample.number()?, seconds(program)?)))
        })
        .collect())
}

/// Programs that ran at least once in two operations: runs per operation, nanoseconds per run.
fn differences(before: &Totals, after: &Totals, done: u64) -> impl Iterator<Item = (String, f64, f64)> {
    const RARE: f64 = 0.5;
    let nothing = (0.0, 0.0);
    after.iter().filter_map(move |(program, (runs, seconds))| {
        let (runs_before, seconds_before) = before.get(program).unwrap_or(&nothing);
        let more = runs - runs_before;
        let each = more / per(done);
        (each >= RARE).then(|| (program.clone(), each, (seconds - seconds_before) * 1e9 / more))
    })
}

#[expect(clippy::cast_precision_loss, reason = "some millions")]
fn per(done: u64) -> f64 {
    done.max(1) as f64
}

/// The books on a program that does nothing at the end of every system call.
fn empty(worker: &mut Worker, time: Duration) -> Result<f64> {
    let program = Empty::attach(Hook::Raw("sys_exit"))?;
    worker.price(Operation::Getppid, time)?;
    let (runs, nanoseconds) = program.books()?;
    Ok(nanoseconds / runs.max(1.0))
}

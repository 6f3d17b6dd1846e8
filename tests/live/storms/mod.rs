//! One container does as much of something as the machine gives, and another fails meanwhile: it is told, the agent stays
//! within its bounds, and the books balance to the last event. A storm takes the machine: these tests run one at a time.

mod books;
mod cgroups;
mod execs;
mod floods;
mod opens;
mod pause;
mod processes;
mod signals;

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::support::{Agent, Container, docker, fixture, wait_up_to};
use books::Books;

/// How long a storm lasts. Everything that is asserted of it holds however little the machine gets done meanwhile.
const LASTS: &str = "3s";
/// How long anything may take that the storm is in the way of.
const PATIENCE: Duration = Duration::from_mins(2);
/// What the agent may take of memory at most, of which the debug build takes a third.
const MEMORY_BYTES: u64 = 256 << 20;

/// A container with a storm in it.
fn storm(mode: &str) -> Container {
    let program = format!("{}:/storm:ro", fixture("bin/probe.static").display());
    Container::new(mode, "scratch", &["/storm", mode, LASTS]).with(&["--volume", &program])
}

/// Lets a storm go over a container that cannot start; the agent's books at its end.
fn passes_over(agent: &mut Agent, storm: &Container) -> Books {
    begin(storm);
    let told = fails_meanwhile(agent);
    ends(storm);
    let books = Books::balance(agent);
    report(agent, storm, told, &books);
    stays_within_bounds(agent);
    books
}

/// Starts a storm, and waits until it says that it has begun.
fn begin(storm: &Container) {
    let said = storm.start();
    assert_eq!(said.code, Some(0), "{storm:?}: {said:?}");
    let has_begun = || docker(&["logs", &storm.name]).out.contains("ready");
    wait("the storm to begin", || (has_begun() || is_over(storm)).then_some(()));
    assert!(has_begun(), "{storm:?} is over before it began");
}

fn is_over(storm: &Container) -> bool {
    docker(&["inspect", "--format", "{{.State.Status}}", &storm.name]).out == "exited"
}

/// Waits until a storm is over.
fn ends(storm: &Container) {
    wait("the storm to end", || is_over(storm).then_some(()));
}

/// A container that lacks its loader is run and told; how long after its end.
fn fails_meanwhile(agent: &Agent) -> Duration {
    let victim = Container::new("victim", "scratch", &["/app/probe.glibc"]);
    victim.run();
    let over = Instant::now();
    let id = victim.id();
    let found = wait("the victim's diagnosis", || agent.diagnoses(&id).pop());
    assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
    over.elapsed()
}

/// The agent lives, and has never taken more memory than it may.
fn stays_within_bounds(agent: &mut Agent) {
    assert_eq!(agent.process().ended(), None, "the agent ended: {}", agent.log());
    let peak = peak_bytes(agent);
    assert!(peak < MEMORY_BYTES, "the agent took {peak} bytes");
}

/// `VmHWM`.
fn peak_bytes(agent: &mut Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.process().pid())).expect("it lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
    let kibibytes = peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kibibytes << 10
}

/// What the table in docs/limits.md is made of.
fn report(agent: &mut Agent, storm: &Container, told: Duration, books: &Books) {
    let said = docker(&["logs", &storm.name]).out.replace('\n', " ");
    let peak = peak_bytes(agent) >> 20;
    eprintln!("measured: {}: {said}; told after {told:?}; peak {peak} MiB; {}", storm.name, books.losses());
}

fn wait<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let found = wait_up_to(PATIENCE, look);
    found.unwrap_or_else(|| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
}

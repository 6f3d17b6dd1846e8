//! An agent that gets no time at all while a storm goes on: what it finds afterwards in the rings is enough.

use std::{thread, time::Duration};

use rustix::process::Signal;

use super::{begin, books::Books, ends, report, stays_within_bounds, storm, wait};
use crate::support::{Agent, Container};

/// So long it stands still.
const PAUSE: Duration = Duration::from_secs(2);

#[test]
fn what_happens_while_the_agent_stands_still_in_a_storm_is_told_afterwards() {
    let mut agent = Agent::start();
    let storms = [storm("storm-opens"), storm("storm-execs")];
    let victim = Container::new("victim", "scratch", &["/app/probe.glibc"]);
    storms.iter().for_each(begin);
    agent.process().signal(Signal::STOP);
    victim.run();
    thread::sleep(PAUSE);
    agent.process().signal(Signal::CONT);
    let continued = std::time::Instant::now();
    let id = victim.id();
    let found = wait("the victim's diagnosis", || agent.diagnoses(&id).pop());
    assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
    let told = continued.elapsed();
    storms.iter().for_each(ends);
    let books = Books::balance(&agent);
    report(&mut agent, &storms[0], told, &books);
    stays_within_bounds(&mut agent);
}

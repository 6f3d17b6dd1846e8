//! A storm of signals to PID 1, each of which gives reason to look at its processes.

use super::{passes_over, storm};
use crate::support::Agent;

#[test]
fn a_storm_of_signals_hides_no_other_containers_failure_and_asks_for_few_looks() {
    let mut agent = Agent::start();
    let books = passes_over(&mut agent, &storm("storm-signals"));
    assert!(books.of("signal_sent", "seen") > 1_000.0, "they are seen at all");
    // The inspector was never asked for more than it could look at.
    assert!(agent.metrics().sum("gomon_inspections_total", &[("result", "failed")]) < Some(1.0));
}

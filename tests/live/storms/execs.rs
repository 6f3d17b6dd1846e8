//! Storms of `execve`: failing ones, and ones with as many bytes of arguments as the kernel takes.

use super::{books, passes_over, storm};
use crate::support::Agent;

#[test]
fn a_storm_of_failing_execs_hides_no_other_containers_failure() {
    let mut agent = Agent::start();
    let books = passes_over(&mut agent, &storm("storm-execs"));
    // Execs of other containers came through, whatever the storm's own lost.
    assert!(books.of("exec_failed", "lost_ring_full") < 1.0, "{}", books.losses());
    if books.of("exec_failed", "lost_flood") > 0.0 {
        books::flood_is_told(&agent);
    }
}

#[test]
fn arguments_of_megabytes_cost_neither_memory_nor_events() {
    let mut agent = Agent::start();
    let storm = storm("storm-arguments");
    let books = passes_over(&mut agent, &storm);
    let failed = [("container", storm.name.as_str()), ("errno", "E2BIG")];
    let counted = agent.metrics().sum("gomon_container_exec_failures_total", &failed).unwrap_or_default();
    assert!(counted >= 1.0, "the call with one argument too long is told: {}", books.losses());
}

//! Storms of calls that fail for a reason that tells something: opens, mounts.

use super::{books, passes_over, storm};
use crate::support::Agent;

#[test]
fn a_storm_of_failing_opens_hides_no_other_containers_failure() {
    let mut agent = Agent::start();
    let books = passes_over(&mut agent, &storm("storm-opens"));
    assert!(books.of("exec_failed", "lost_ring_full") < 1.0, "{}", books.losses());
    if books.of("open", "lost_flood") > 0.0 {
        books::flood_is_told(&agent);
    }
}

#[test]
fn a_storm_of_refused_calls_hides_no_other_containers_failure() {
    let mut agent = Agent::start();
    let books = passes_over(&mut agent, &storm("storm-refusals"));
    assert!(books.of("syscall_refused", "seen") > 1_000.0, "they are seen at all");
    assert!(books.of("exec_failed", "lost_ring_full") < 1.0, "{}", books.losses());
}

#[test]
fn a_storm_of_listening_sockets_hides_no_other_containers_failure() {
    let mut agent = Agent::start();
    let books = passes_over(&mut agent, &storm("storm-listens"));
    assert!(books.of("listening", "seen") > 100.0, "they are seen at all");
    assert!(books.of("exec_failed", "lost_ring_full") < 1.0, "{}", books.losses());
}

//! Storms of processes: programs that are over at once, and a fork bomb below a limit on processes.

use super::{passes_over, storm};
use crate::support::Agent;

#[test]
fn a_storm_of_short_programs_hides_no_other_containers_failure() {
    let mut agent = Agent::start();
    let books = passes_over(&mut agent, &storm("storm-programs"));
    assert!(books.of("exit", "submitted") >= 16.0, "their ends are told");
}

#[test]
fn a_fork_bomb_hides_no_other_containers_failure() {
    let mut agent = Agent::start();
    // The limits keep the machine usable for those who judge, not for gomon.
    let bomb = storm("fork-bomb").with(&["--pids-limit", "64", "--cpus", "0.5"]);
    passes_over(&mut agent, &bomb);
}

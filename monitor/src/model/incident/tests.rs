//! Nothing is counted twice, whatever happens to the agent.

use super::*;
use crate::{
    model::time::SECOND,
    report::samples::{self, EPOCH as BOOT},
};

fn session(started_s: u64) -> Session {
    Session { boot: "one".to_owned(), started: BootNs(started_s * SECOND) }
}

/// A sighting of the ledger's entry that began at `first_s` and occurred `count` times, the last time at `last_s`.
fn sighting(first_s: u64, last_s: u64, count: u64) -> Sighting {
    let mut conclusion = samples::finding();
    let diagnosis = &mut conclusion.diagnoses[0];
    (diagnosis.first_seen, diagnosis.last_seen) = (BootNs(first_s * SECOND), BootNs(last_s * SECOND));
    diagnosis.count = count;
    diagnosis.evidence[0].at = Some(diagnosis.last_seen);
    Sighting::new(&conclusion, &conclusion.diagnoses[0], Facts::default(), CgroupId(7), BOOT, "1.2.3")
}

fn count(kept: &Kept) -> u64 {
    kept.told.diagnosis.count
}

#[test]
fn the_same_sighting_again_changes_nothing() {
    let seen = sighting(10, 20, 3);
    let once = join(None, &seen, &session(1));
    assert_eq!(join(Some(once.clone()), &seen, &session(1)), once);
    assert_eq!(count(&once), 3);
}

#[test]
fn an_older_sighting_that_comes_late_takes_nothing_back() {
    let kept = join(None, &sighting(10, 20, 3), &session(1));
    let kept = join(Some(kept), &sighting(10, 15, 2), &session(1));
    assert_eq!(count(&kept), 3);
    assert_eq!(kept.told.diagnosis.last_seen, absolute(BootNs(20 * SECOND), BOOT));
}

#[test]
fn after_a_restart_only_further_occurrences_count() {
    let kept = join(None, &sighting(10, 20, 3), &session(1));
    // The new agent counts from one.
    let kept = join(Some(kept), &sighting(40, 40, 1), &session(30));
    assert_eq!(count(&kept), 4);
    let kept = join(Some(kept), &sighting(40, 50, 2), &session(30));
    assert_eq!(count(&kept), 5);
    assert_eq!(kept.told.diagnosis.first_seen, absolute(BootNs(10 * SECOND), BOOT));
    assert_eq!(kept.told.diagnosis.last_seen, absolute(BootNs(50 * SECOND), BOOT));
}

#[test]
fn an_occurrence_that_the_agent_before_has_counted_is_not_counted_again() {
    let kept = join(None, &sighting(10, 20, 3), &session(1));
    let kept = join(Some(kept), &sighting(20, 20, 1), &session(30));
    assert_eq!(count(&kept), 3);
    let kept = join(Some(kept), &sighting(20, 40, 2), &session(30));
    assert_eq!(count(&kept), 4);
}

#[test]
fn a_condition_that_still_stands_when_the_agent_comes_back_is_no_further_occurrence() {
    let kept = join(None, &sighting(10, 10, 1), &session(1));
    let mut found_again = sighting(31, 31, 1);
    found_again.opened_by_event = false;
    let known = join(Some(kept.clone()), &found_again, &session(30));
    assert_eq!((count(&known), &known.told), (1, &kept.told));
    // In a new run of the container it is one.
    found_again.cgroup = CgroupId(8);
    assert_eq!(count(&join(Some(kept), &found_again, &session(30))), 2);
}

#[test]
fn an_entry_that_the_ledger_had_let_go_counts_on() {
    let kept = join(None, &sighting(10, 20, 3), &session(1));
    let kept = join(Some(kept), &sighting(40, 40, 1), &session(1));
    assert_eq!(count(&kept), 4);
}

#[test]
fn after_another_boot_times_since_boot_do_not_compare() {
    let kept = join(None, &sighting(1000, 2000, 3), &session(1));
    let reboot = Session { boot: "two".to_owned(), started: BootNs(SECOND) };
    let kept = join(Some(kept), &sighting(5, 5, 1), &reboot);
    assert_eq!(count(&kept), 4);
}

#[test]
fn sightings_that_wait_together_are_written_as_one_and_count_the_same() {
    let mut waiting = sighting(40, 40, 1);
    waiting.absorb(sighting(40, 50, 2));
    waiting.absorb(sighting(40, 60, 3));
    assert_eq!(waiting.timeline.iter().filter(|one| one.fact.starts_with("execve")).count(), 3);
    let kept = join(None, &sighting(10, 20, 3), &session(1));
    assert_eq!(count(&join(Some(kept), &waiting, &session(30))), 6);
}

#[test]
fn a_surer_look_at_the_same_occurrence_replaces_what_was_told_and_a_less_sure_one_does_not() {
    let kept = join(None, &sighting(10, 10, 1), &session(1));
    let mut unsure = sighting(10, 10, 1);
    unsure.told.diagnosis.confidence = crate::model::diagnosis::Confidence::Medium;
    unsure.told.diagnosis.summary = "perhaps".to_owned();
    assert_eq!(join(Some(kept.clone()), &unsure, &session(1)).told, kept.told);
    let mut sure = sighting(10, 10, 1);
    sure.told.diagnosis.summary = "now it is clear".to_owned();
    assert_eq!(join(Some(kept), &sure, &session(1)).told.diagnosis.summary, "now it is clear");
}

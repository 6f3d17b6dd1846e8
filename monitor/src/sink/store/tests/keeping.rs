//! The thread that writes: it outlives a disk that does not let it, and bounds what waits.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::*;

const LIMITS: Limits = Limits { max_age: Duration::from_hours(24 * 365 * 100), max_bytes: 256 << 20 };
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(10);

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(PAUSE);
    }
}

#[test]
fn what_is_kept_is_in_the_file_and_repeats_that_wait_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let keeper = Keeper::start(&path, session(1), LIMITS).unwrap();
    let handle = keeper.handle();
    for count in 1..=200 {
        handle.keep(sighting("api", 10, 10 + count, count));
    }
    assert_eq!(keeper.finish(PATIENCE), 0);
    let kept = list(&path, &Query::default());
    assert_eq!((kept.len(), kept[0].told.diagnosis.count), (1, 200));
    let tallies = handle.tallies();
    assert!(tallies.is_up && tallies.written >= 1 && tallies.waiting == 0, "{tallies:?}");
    assert!(!file::is_left_open(&path), "it was closed");
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_what_waits_is_written_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("blocked");
    fs::write(&blocked, "in the way").unwrap();
    let path = blocked.join("gomon.db");
    let keeper = Keeper::start(&path, session(1), LIMITS).unwrap();
    let handle = keeper.handle();
    handle.keep(sighting("api", 10, 10, 1));
    let tallies = handle.tallies();
    assert!(!tallies.is_up && tallies.failed >= 1 && tallies.waiting == 1, "{tallies:?}");
    fs::remove_file(&blocked).unwrap();
    wait_for("it to be written", || handle.tallies().written >= 1);
    assert!(handle.tallies().is_up);
    assert_eq!(names(&path, &Query::default()), ["api"]);
    assert_eq!(keeper.finish(PATIENCE), 0);
}

#[test]
fn what_waits_is_bounded_what_is_given_up_is_counted_and_an_end_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("blocked");
    fs::write(&blocked, "in the way").unwrap();
    let keeper = Keeper::start(&blocked.join("gomon.db"), session(1), LIMITS).unwrap();
    let handle = keeper.handle();
    for n in 0..5_000 {
        handle.keep(sighting(&format!("c{n}"), 10, 10, 1));
    }
    // One that waits already takes no further place.
    handle.keep(sighting("c0", 10, 11, 2));
    let tallies = handle.tallies();
    assert_eq!((tallies.waiting, tallies.dropped), (4_096, 904));
    assert_eq!(keeper.finish(PATIENCE), 4_096);
}

#[test]
fn a_store_that_another_agent_has_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let _first = Store::open(&path, &session(1)).unwrap();
    assert!(matches!(Keeper::start(&path, session(2), LIMITS), Err(StoreError::Held { .. })));
}

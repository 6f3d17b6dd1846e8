//! What waits, for how long, and what goes.

use super::*;
use crate::sink::otlp::tests::{sighting, with_summary};

const PACE: Pace = Pace { gather: Duration::from_secs(1), pause: Duration::from_mins(1) };

/// So many seconds after a moment that is the same for one queue.
struct Clock(Instant);

impl Clock {
    fn at(&self, seconds: u64) -> Instant {
        self.0 + Duration::from_secs(seconds)
    }
}

fn queue() -> (Queue, Clock) {
    (Queue::new(PACE), Clock(Instant::now()))
}

fn told(items: &[Item]) -> Vec<(String, u64, Why)> {
    let one = |item: &Item| (item.sighting.told.identity.name.clone(), item.sighting.entry.count, item.why);
    items.iter().map(one).collect()
}

fn expected(name: &str, count: u64, why: Why) -> Vec<(String, u64, Why)> {
    vec![(name.to_owned(), count, why)]
}

#[test]
fn a_new_diagnosis_is_told_at_once_and_a_crash_loop_once_a_minute_with_its_count() {
    let (mut queue, clock) = queue();
    queue.take(&sighting("api", 1), Why::New, clock.at(0));
    assert!(queue.due(clock.at(0), false).is_empty(), "it waits for more of the same");
    let first = queue.due(clock.at(1), false);
    assert_eq!(told(&first), expected("api", 1, Why::New));
    queue.settle(&first, clock.at(1));
    assert_eq!((queue.waiting(), queue.bytes()), (0, 0));
    for count in 2..=30 {
        queue.take(&sighting("api", count), Why::Again, clock.at(count));
    }
    assert_eq!(queue.waiting(), 1);
    assert!(queue.due(clock.at(60), false).is_empty());
    assert_eq!(told(&queue.due(clock.at(61), false)), expected("api", 30, Why::Again));
}

#[test]
fn what_says_the_same_is_not_told_again_and_what_is_known_better_is() {
    let (mut queue, clock) = queue();
    queue.take(&sighting("api", 1), Why::New, clock.at(0));
    queue.settle(&queue.due(clock.at(1), false), clock.at(1));
    queue.take(&sighting("api", 1), Why::Revised, clock.at(2));
    assert_eq!(queue.waiting(), 0);
    queue.take(&with_summary(sighting("api", 1), "better"), Why::Revised, clock.at(3));
    assert_eq!(told(&queue.due(clock.at(61), false)), expected("api", 1, Why::Revised));
}

#[test]
fn news_that_come_while_a_record_is_on_its_way_wait_on() {
    let (mut queue, clock) = queue();
    queue.take(&sighting("api", 1), Why::New, clock.at(0));
    let on_its_way = queue.due(clock.at(1), false);
    queue.take(&sighting("api", 2), Why::Again, clock.at(2));
    queue.settle(&on_its_way, clock.at(3));
    assert_eq!(queue.waiting(), 1);
    assert_eq!(told(&queue.due(clock.at(63), false)), expected("api", 2, Why::Again));
    // What was never settled is due as it is by now, and as something new.
    let (mut queue, clock) = self::queue();
    queue.take(&sighting("api", 1), Why::New, clock.at(0));
    assert_eq!(queue.due(clock.at(1), false).len(), 1);
    queue.take(&sighting("api", 2), Why::Again, clock.at(2));
    assert_eq!(told(&queue.due(clock.at(3), false)), expected("api", 2, Why::New));
}

#[test]
fn what_waits_is_bounded_by_number_and_what_is_given_up_is_counted() {
    let (mut queue, clock) = queue();
    for n in 0..5_000 {
        queue.take(&sighting(&format!("c{n}"), 1), Why::New, clock.at(n));
    }
    assert_eq!((queue.waiting(), queue.overflown()), (MAX_WAITING, 904));
    // One that waits already takes no further place.
    queue.take(&sighting("c0", 2), Why::Again, clock.at(5_001));
    assert_eq!((queue.waiting(), queue.overflown()), (MAX_WAITING, 904));
    let due = queue.due(clock.at(9_999), false);
    assert_eq!(due.len(), MAX_BATCH);
    assert_eq!(told(&due[..1]), expected("c0", 2, Why::New), "the oldest goes first");
}

#[test]
fn what_waits_is_bounded_by_bytes_and_so_is_a_request() {
    let (mut queue, clock) = queue();
    let large = "x".repeat(600 << 10);
    for n in 0..20 {
        let sighting = with_summary(sighting(&format!("c{n}"), 1), &large);
        queue.take(&sighting, Why::New, clock.at(0));
    }
    assert!(queue.bytes() <= MAX_BYTES, "{}", queue.bytes());
    assert_eq!((queue.waiting(), queue.overflown()), (13, 7));
    assert_eq!(queue.due(clock.at(1), false).len(), 1);
    for _ in 0..13 {
        queue.settle(&queue.due(clock.at(1), false), clock.at(1));
    }
    assert_eq!((queue.waiting(), queue.bytes()), (0, 0));
}

#[test]
fn at_the_end_everything_is_due() {
    let (mut queue, clock) = queue();
    queue.take(&sighting("api", 1), Why::New, clock.at(0));
    queue.settle(&queue.due(clock.at(1), false), clock.at(1));
    queue.take(&sighting("api", 2), Why::Again, clock.at(2));
    queue.take(&sighting("web", 1), Why::New, clock.at(2));
    assert!(queue.due(clock.at(2), false).is_empty());
    assert_eq!(queue.due(clock.at(2), true).len(), 2);
}

#[test]
fn what_is_remembered_is_bounded_and_what_was_told_longest_ago_goes_first() {
    let (mut queue, clock) = queue();
    for n in 0..20_000 {
        queue.take(&sighting(&format!("c{n}"), 1), Why::New, clock.at(n));
        queue.settle(&queue.due(clock.at(n), true), clock.at(n));
    }
    assert!(queue.entries.len() <= MAX_KNOWN + 1, "{}", queue.entries.len());
    queue.take(&sighting("c19999", 1), Why::Revised, clock.at(20_001));
    assert_eq!(queue.waiting(), 0, "the latest is remembered");
}

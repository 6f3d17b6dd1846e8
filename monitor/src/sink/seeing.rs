//! Whether gomon sees: failing calls of its own must come back through kernel program, ring and decoder. Says when one is
//! due and what it means when none comes; makes none itself.

use std::time::{Duration, Instant};

/// From one answer to the next call.
const EVERY: Duration = Duration::from_secs(30);
/// How long an answer may take. It takes milliseconds; a busy machine has its reasons.
const ANSWER: Duration = Duration::from_secs(10);
/// An unanswered call is repeated after this long: the kernel leaves a program out that is running on that CPU already.
const REPEAT: Duration = Duration::from_secs(1);
/// So many in a row that were not answered mean that gomon does not see.
const BLIND: u32 = 3;

/// What was called and what came back.
#[derive(Debug)]
pub struct Seeing {
    /// The first call that waits for an answer, and the latest.
    waiting: Option<(Instant, Instant)>,
    /// When the next one is due, where none waits.
    next: Instant,
    failed_in_row: u32,
    has_seen: bool,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// A call is due.
    pub calls: bool,
    /// An answer did not come in time.
    pub failed: bool,
}

impl Seeing {
    /// Nothing was seen yet; the first call is due.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { waiting: None, next: now, failed_in_row: 0, has_seen: false }
    }

    /// An answer came, however late: gomon sees.
    pub fn came(&mut self, now: Instant) {
        *self = Self { waiting: None, next: now + EVERY, failed_in_row: 0, has_seen: true };
    }

    /// Time has passed, and answers that had come were told.
    pub fn turn(&mut self, now: Instant) -> Turn {
        let mut turn = Turn::default();
        if self.waiting.take_if(|(first, _)| now.duration_since(*first) >= ANSWER).is_some() {
            self.failed_in_row = self.failed_in_row.saturating_add(1);
            self.next = now;
            turn.failed = true;
        }
        match &mut self.waiting {
            Some((_, latest)) if now.duration_since(*latest) >= REPEAT => {
                *latest = now;
                turn.calls = true;
            }
            None if now >= self.next => {
                self.waiting = Some((now, now));
                turn.calls = true;
            }
            Some(_) | None => {}
        }
        turn
    }

    /// Why gomon does not see, or does not know yet.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        if self.failed_in_row >= BLIND {
            let (count, seconds) = (self.failed_in_row, ANSWER.as_secs());
            return Some(format!(
                "{count} failing calls of gomon's own in a row did not come back from the kernel within {seconds} s: it does \
                 not see (`gomon doctor` says what this host allows)"
            ));
        }
        let why = "a failing call of gomon's own has not come back from the kernel yet";
        (!self.has_seen).then(|| why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Turn = Turn { calls: true, failed: false };
    const FAILED: Turn = Turn { calls: true, failed: true };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn gomon_is_not_ready_before_its_first_call_came_back() {
        let start = Instant::now();
        let mut seeing = Seeing::new(start);
        assert_eq!(seeing.turn(start), CALLS);
        assert!(seeing.reason().is_some_and(|why| why.contains("not come back from the kernel yet")));
        seeing.came(after(start, 1));
        assert_eq!(seeing.reason(), None);
    }

    #[test]
    fn an_answered_call_is_followed_by_the_next_and_an_unanswered_one_is_repeated() {
        let start = Instant::now();
        let mut seeing = Seeing::new(start);
        assert_eq!(seeing.turn(start), CALLS);
        assert_eq!(seeing.turn(start), Turn::default());
        assert_eq!(seeing.turn(after(start, 1)), CALLS);
        seeing.came(after(start, 1));
        assert_eq!(seeing.turn(after(start, 30)), Turn::default());
        assert_eq!(seeing.turn(after(start, 31)), CALLS);
    }

    #[test]
    fn three_failures_in_a_row_and_no_fewer_mean_blind_until_an_answer_comes() {
        let start = Instant::now();
        let mut seeing = Seeing::new(start);
        seeing.turn(start);
        seeing.came(start);
        seeing.turn(after(start, 30));
        for (second, is_blind) in [(40, false), (50, false), (60, true)] {
            assert_eq!(seeing.turn(after(start, second)), FAILED);
            assert_eq!(seeing.reason().is_some(), is_blind, "after {second} s");
        }
        assert!(seeing.reason().is_some_and(|why| why.starts_with("3 failing calls")), "{seeing:?}");
        seeing.came(after(start, 61));
        assert_eq!(seeing.reason(), None);
    }

    /// A machine that slept, or an agent that was stopped: the answers that lie in the ring are told first.
    #[test]
    fn an_answer_that_waited_with_a_stopped_agent_is_no_failure() {
        let start = Instant::now();
        let mut seeing = Seeing::new(start);
        seeing.turn(start);
        seeing.came(after(start, 500));
        assert_eq!(seeing.turn(after(start, 500)), Turn::default());
        assert_eq!(seeing.reason(), None);
    }
}

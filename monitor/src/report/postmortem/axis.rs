//! An axis of time: where its ticks are and what stands at them. Pure.

use crate::model::{
    incident::EPOCH,
    time::{BootNs, MS, SECOND},
};

const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Distances of ticks; each of them begins with the epoch, in UTC.
const STEPS: [u64; 36] = [
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    182 * DAY,
    364 * DAY,
    3_640 * DAY,
    36_400 * DAY,
];

/// Ticks that have room on a narrow page and on a wide one.
const NARROW: u64 = 3;
const WIDE: u64 = 7;
/// Part of the width on each side that stays free.
const MARGIN: f64 = 4.0;

/// From the first to the last point in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    first: BootNs,
    last: BootNs,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Percent of the width.
    pub(super) x: f64,
    pub(super) label: String,
    /// There is no room for its label on a narrow page.
    pub(super) is_minor: bool,
}

impl Axis {
    pub(super) fn new(first: BootNs, last: BootNs) -> Self {
        Self { first, last: last.max(first) }
    }

    /// Where a point in time stands, in percent of the width; what is outside stands at the edge.
    pub(super) fn x(self, at: BootNs) -> f64 {
        let length = self.last.since(self.first);
        if length == 0 {
            return 50.0;
        }
        let part = float(at.since(self.first).min(length)) / float(length);
        MARGIN + part * (100.0 - 2.0 * MARGIN)
    }

    /// Where a span begins and ends, as far as it is on the axis.
    pub(super) fn within(self, from: BootNs, to: BootNs) -> Option<(f64, f64)> {
        (from <= self.last && to >= self.first && from < to).then(|| (self.x(from), self.x(to)))
    }

    pub(super) fn ticks(self) -> Vec<Tick> {
        let length = self.last.since(self.first);
        let fits = |step: u64, count: u64| length / step <= count;
        let coarsest = STEPS.len() - 1;
        let coarse = STEPS.iter().position(|step| fits(*step, NARROW)).unwrap_or(coarsest);
        let step = STEPS.get(coarse).copied().unwrap_or(DAY);
        let finer = STEPS
            .iter()
            .take(coarse)
            .copied()
            .find(|finer| fits(*finer, WIDE) && step.is_multiple_of(*finer));
        let fine = finer.unwrap_or(step);
        let mut ticks = Vec::new();
        let mut at = self.first.0.next_multiple_of(fine);
        while at <= self.last.0 {
            let label = self.label(BootNs(at), fine);
            ticks.push(Tick { x: self.x(BootNs(at)), label, is_minor: !at.is_multiple_of(step) });
            at = at.saturating_add(fine);
        }
        // A moment, or a span between two ticks of the finest step.
        if ticks.iter().all(|tick| tick.is_minor) {
            ticks.clear();
            let label = self.label(self.first, MS);
            ticks.push(Tick { x: self.x(self.first), label, is_minor: false });
        }
        ticks
    }

    /// The days that it spans.
    pub(super) fn days(self) -> String {
        let (first, last) = (form(self.first, "%Y-%m-%d"), form(self.last, "%Y-%m-%d"));
        if first == last { first } else { format!("{first} to {last}") }
    }

    fn label(self, at: BootNs, step: u64) -> String {
        let has_days = self.first.0 / DAY != self.last.0 / DAY;
        form(
            at,
            match step {
                _ if at.0.is_multiple_of(DAY) && has_days && step < 91 * DAY => "%m-%d",
                0..SECOND => "%H:%M:%S.%3f",
                SECOND..MINUTE => "%H:%M:%S",
                MINUTE..DAY => "%H:%M",
                _ => "%Y-%m-%d",
            },
        )
    }
}

fn form(at: BootNs, format: &str) -> String {
    EPOCH.utc(at).strftime(format).to_string()
}

/// Exact for spans of a hundred days, and near enough for all others.
#[expect(clippy::cast_precision_loss, reason = "a part of a picture's width")]
fn float(nanos: u64) -> f64 {
    nanos as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14T22:13:20Z.
    const START: u64 = 1_700_000_000 * SECOND;

    fn labels(length: u64) -> (Vec<String>, usize) {
        let ticks = Axis::new(BootNs(START), BootNs(START + length)).ticks();
        let major = ticks.iter().filter(|tick| !tick.is_minor).count();
        (ticks.into_iter().map(|tick| tick.label).collect(), major)
    }

    #[test]
    fn ticks_stand_at_round_times_and_say_as_much_as_is_needed() {
        assert_eq!(labels(0), (vec!["22:13:20.000".to_owned()], 1));
        assert_eq!(
            labels(70 * SECOND).0,
            ["22:13:20", "22:13:30", "22:13:40", "22:13:50", "22:14:00", "22:14:10", "22:14:20", "22:14:30"]
        );
        assert_eq!(labels(10 * MINUTE).0, ["22:15", "22:20"]);
        assert_eq!(labels(3 * HOUR).0, ["22:30", "23:00", "23:30", "11-15", "00:30", "01:00"]);
    }

    #[test]
    fn every_span_has_a_tick_and_no_more_than_there_is_room_for() {
        let mut length = 1;
        while length < u64::MAX / 16 {
            let (all, major) = labels(length);
            assert!((1..=4).contains(&major) && all.len() <= 8, "{length}: {major} of {all:?}");
            length = length * 5 / 3 + 1;
        }
    }

    #[test]
    fn what_is_outside_stands_at_the_edge() {
        let axis = Axis::new(BootNs(START), BootNs(START + SECOND));
        let near = |one: f64, other: f64| assert!((one - other).abs() < 0.001, "{one}");
        near(axis.x(BootNs(0)), MARGIN);
        near(axis.x(BootNs(u64::MAX)), 100.0 - MARGIN);
        near(axis.x(BootNs(START + SECOND / 2)), 50.0);
    }
}

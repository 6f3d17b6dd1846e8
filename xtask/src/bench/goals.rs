//! What gomon is to cost at most, and whether it does: each goal with its measured value, its limit and what stands in the way.

use serde::Serialize;

use super::budget::Load;
use super::figures::Spread;
use super::micro::{Micro, Where};
use super::operation::Operation;
use super::peer::Peer;
use super::report::Results;
use super::storm::BOTH;
use super::subject::Subject;

const MIB: f64 = 1024.0 * 1024.0;

/// One goal.
#[derive(Debug, Serialize)]
pub(super) struct Goal {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    /// Values up to the limit are good. `None` where the part that measures it did not run.
    pub(super) measured: Option<Measured>,
    /// What keeps gomon from it, for the reader of a goal that is not met.
    pub(super) obstacle: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Measured {
    pub(super) value: f64,
    pub(super) limit: f64,
    /// What the rounds differ by: half the middle half of the value and of the limit together.
    pub(super) noise: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    /// Beyond the limit by less than the rounds differ.
    Close,
    Missed,
}

impl Measured {
    /// Of values that are not compared with others of the same run.
    fn plain(value: f64, limit: f64) -> Self {
        Self { value, limit, noise: 0.0 }
    }

    pub(super) fn verdict(self) -> Verdict {
        let Self { value, limit, noise } = self;
        match value - limit {
            beyond if beyond <= 0.0 => Verdict::Met,
            beyond if beyond <= noise => Verdict::Close,
            _ => Verdict::Missed,
        }
    }

    /// In words: how far below the limit, or beyond it.
    pub(super) fn distance(self) -> String {
        let Self { value, limit, noise: _ } = self;
        match (limit > 0.0, value <= limit) {
            (true, true) => format!("{:.0} % below", 100.0 * (1.0 - value / limit)),
            (true, false) => format!("{:.2} times the limit", value / limit),
            (false, true) => "as it must be".to_owned(),
            (false, false) => format!("{value:.0} too many"),
        }
    }
}

/// All goals, in the order of the page.
pub(super) fn judge(results: &Results) -> Vec<Goal> {
    let mut goals = operations(results.micro.as_ref());
    goals.push(precious(results));
    goals.extend(budget(results));
    goals
}

/// The added time of an operation, in nanoseconds.
fn added(micro: &Micro, subject: Subject, place: Where, operation: Operation) -> Option<Spread> {
    Some(micro.cell(subject, place, operation)?.comparison.difference)
}

fn operations(micro: Option<&Micro>) -> Vec<Goal> {
    use Operation::{Getppid, OpenMissing, OpenMissingLibrary, OpenMissingLibraryFlood};
    use Where::{Container, Host};
    const FAILED: Subject = Subject::Peer(Peer::OpensnoopFailed);
    const CLASSIC: Subject = Subject::EmptyClassicOpenat;
    // gomon against so many times the other, in the other's added time.
    let against = |other, place, operation, times: f64| {
        let gomon = added(micro?, Subject::Gomon, place, operation)?;
        let other = added(micro?, other, place, operation)?;
        let half = |spread: Spread| (spread.high - spread.low) / 2.0;
        let noise = half(gomon) + half(other) * times;
        Some(Measured { value: gomon.median, limit: other.median * times, noise })
    };
    let worse = |one: Option<Measured>, other: Option<Measured>| {
        let (one, other) = (one?, other?);
        Some(if one.value - one.limit > other.value - other.limit { one } else { other })
    };
    let goal = |what, measured, obstacle| Goal { what, unit: "ns", measured, obstacle };
    vec![
        goal(
            "an unwanted failing open in a container adds at most 1.5 times what empty programs add",
            against(Subject::Empty, Container, OpenMissing, 1.5),
            "the path has to be read and classified before it can be told that nobody wants it",
        ),
        goal(
            "an unwanted failing open on the host adds at most 1.2 times what empty programs add",
            against(Subject::Empty, Host, OpenMissing, 1.2),
            "the cgroup has to be looked up before the open can be left alone",
        ),
        goal(
            "getppid pays at most what one empty classic tracepoint on openat makes it pay",
            worse(against(CLASSIC, Container, Getppid, 1.0), against(CLASSIC, Host, Getppid, 1.0)),
            "a tracepoint behind any system call makes the kernel take a longer way through all of them",
        ),
        goal(
            "a wanted failing open adds at most a third of what `opensnoop -x` adds",
            against(FAILED, Container, OpenMissingLibrary, 1.0 / 3.0),
            "the record holds the whole path, and its reader has to be woken",
        ),
        goal(
            "the same without pause, when neither can print all of them",
            against(FAILED, Container, OpenMissingLibraryFlood, 1.0 / 3.0),
            "the record holds the whole path",
        ),
    ]
}

fn precious(results: &Results) -> Goal {
    let storms = results.storm.iter().flatten().filter(|climb| climb.subject == Subject::Gomon);
    let steps = storms.flat_map(|climb| &climb.steps).filter(|step| step.rates == BOTH);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let lost = steps.map(|step| step.missing().1 as f64).next();
    Goal {
        what: "no failed exec is lost at 8,192 of them a second beside 33,000 failing opens",
        unit: "lost",
        measured: lost.map(|value| Measured::plain(value, 0.0)),
        obstacle: "the ring for precious events is full before its reader comes",
    }
}

fn budget(results: &Results) -> Vec<Goal> {
    let budget = results.budget.as_ref();
    let most = |of: fn(&Load) -> f64, is_meant: &dyn Fn(&Load) -> bool, limit| {
        let values = budget?.loads.iter().filter(|load| is_meant(load)).map(of);
        Some(Measured::plain(values.reduce(f64::max)?, limit))
    };
    let resident = |containers, limit| {
        most(|load| load.resident_bytes / MIB, &|load| load.containers == containers, limit)
    };
    let cpu = |containers| {
        let is_meant = |load: &Load| (load.containers, load.events_per_second) == (containers, 1_000);
        most(|load| load.cpu_percent, &is_meant, 1.0)
    };
    let slowest = || {
        let all = budget?.starts.iter().flat_map(|starts| starts.seconds.iter().copied());
        Some(Measured::plain(all.reduce(f64::max)?, 1.0))
    };
    let to_metric = budget.map(|budget| Measured::plain(budget.to_metric.p99 * 1e3, 100.0));
    let goal = |what, unit, measured, obstacle| Goal { what, unit, measured, obstacle };
    let per_container = "each container has a case, and series of metrics";
    let wake_ups = "the agent wakes up for the events, and once a second to look at its counters";
    vec![
        goal("at most 32 MiB resident with 100 containers", "MiB", resident(100, 32.0), per_container),
        goal("at most 64 MiB resident with 1,000 containers", "MiB", resident(1_000, 64.0), per_container),
        goal("at most 1 % of a core at 1,000 events a second, 1 container", "%", cpu(1), wake_ups),
        goal("the same with 100 containers", "%", cpu(100), wake_ups),
        goal(
            "99 of 100 events are in a metric within 100 ms",
            "ms",
            to_metric,
            "the time of a scrape is part of it",
        ),
        goal(
            "ready within 1 s, with up to 1,000 containers",
            "s",
            slowest(),
            "the kernel verifies each program, and its type information is read",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_tells_how_far_it_is() {
        let distance = |value, limit| Measured::plain(value, limit).distance();
        assert_eq!(distance(75.0, 100.0), "25 % below");
        assert_eq!(distance(250.0, 100.0), "2.50 times the limit");
        assert_eq!(distance(0.0, 0.0), "as it must be");
        assert_eq!(distance(3.0, 0.0), "3 too many");
    }

    #[test]
    fn what_the_rounds_differ_by_is_no_failure() {
        let verdict = |value| Measured { value, limit: 100.0, noise: 5.0 }.verdict();
        assert_eq!([99.0, 104.0, 106.0].map(verdict), [Verdict::Met, Verdict::Close, Verdict::Missed]);
    }
}

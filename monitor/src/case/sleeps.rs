//! When the machine slept: nobody in a container could do anything then, so that time counts for no patience. Pure.

use crate::model::time::BootNs;

/// Sleeps that are remembered; of what was begun before the others nobody waits for anything any more.
const MAX_SLEEPS: usize = 8;

/// The latest sleeps, with their beginnings and ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sleeps(Vec<(BootNs, BootNs)>);

impl Sleeps {
    /// The machine slept so long, up to about `until`.
    pub(super) fn add(&mut self, until: BootNs, ns: u64) {
        if self.0.len() >= MAX_SLEEPS {
            self.0.remove(0);
        }
        self.0.push((BootNs(until.0.saturating_sub(ns)), until));
    }

    /// For how long the machine was awake between two times, in nanoseconds.
    pub(super) fn awake_ns(&self, from: BootNs, to: BootNs) -> u64 {
        let asleep = |(began, ended): &(BootNs, BootNs)| (*ended).min(to).since((*began).max(from));
        to.since(from).saturating_sub(self.0.iter().map(asleep).sum())
    }

    /// When the machine will have been awake for so long since `from`.
    pub(super) fn after(&self, from: BootNs, ns: u64) -> BootNs {
        let mut due = BootNs(from.0.saturating_add(ns));
        for (began, ended) in &self.0 {
            if *began < due && *ended > from {
                due = BootNs(due.0.saturating_add(ended.since((*began).max(from))));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: u64) -> BootNs {
        BootNs(time)
    }

    /// Asleep from 100 to 600, and from 700 to 800.
    fn sleeps() -> Sleeps {
        let mut sleeps = Sleeps::default();
        sleeps.add(at(600), 500);
        sleeps.add(at(800), 100);
        sleeps
    }

    #[test]
    fn only_time_awake_counts() {
        let sleeps = sleeps();
        for (from, to, awake) in [
            (0, 50, 50),
            (50, 650, 100),
            (50, 900, 250),
            (200, 300, 0),
            (610, 690, 80),
            (900, 950, 50),
            (9, 5, 0),
        ] {
            assert_eq!(sleeps.awake_ns(at(from), at(to)), awake, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_due_waits_until_the_machine_was_awake_for_so_long() {
        let sleeps = sleeps();
        for (from, ns, due) in [(0, 50, 50), (50, 60, 610), (50, 200, 850), (300, 10, 610), (900, 5, 905)] {
            let found = sleeps.after(at(from), ns);
            assert_eq!(found, at(due), "{from} and {ns}");
            assert_eq!(sleeps.awake_ns(at(from), found), ns);
        }
        assert_eq!(sleeps.after(at(u64::MAX - 1), 9), at(u64::MAX));
    }

    #[test]
    fn sleeps_have_a_limit() {
        let mut sleeps = Sleeps::default();
        for time in 1..100 {
            sleeps.add(at(time * 1000), 10);
        }
        assert_eq!(sleeps.0.len(), MAX_SLEEPS);
    }
}

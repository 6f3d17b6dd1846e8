//! Walks the cgroup tree for what no event told: when it is time to, and what comes of it. Decides nothing about failures.

use monitor_common::{
    limits::MAX_CGROUPS,
    probe::{Probe, Tally},
};

use super::Observer;
use crate::{
    kernel::{clock, counters},
    model::{
        container::{CgroupId, Run},
        time::{BootNs, MS},
    },
};

/// The least time between two walks for an id that nobody knows.
const PAUSE_NS: u64 = 100 * MS;
/// A walk takes no more than one part in so many of the time: with many cgroups it is slow, and events wait meanwhile.
const SHARE: u64 = 10;

/// When the next walk may be, and what it is to find.
#[derive(Default)]
pub(super) struct Walks {
    not_before: BootNs,
    /// Births and ends that the kernel side lost until the last look.
    lost: u64,
    /// Something was lost since the last walk.
    is_due: bool,
    /// The last walk did not come to its end.
    is_cut: bool,
}

impl Walks {
    fn may_begin(&self, at: BootNs) -> bool {
        at >= self.not_before
    }

    fn ended(&mut self, began: BootNs, now: BootNs) {
        self.not_before = BootNs(now.0 + PAUSE_NS.max(now.since(began) * (SHARE - 1)));
        self.is_due = false;
    }

    /// The walk was cut off, and the one before it was not.
    fn is_cut_now(&mut self, is_cut: bool) -> bool {
        !std::mem::replace(&mut self.is_cut, is_cut) && is_cut
    }

    /// The kernel side has lost so many births and ends by now.
    fn lost(&mut self, total: u64) {
        self.is_due |= total > self.lost;
        self.lost = total;
    }
}

impl Observer {
    /// A cgroup whose birth was not seen: it may be anywhere in the tree.
    pub(super) fn search(&mut self, cgroup: CgroupId, at: BootNs) -> Option<Run> {
        if self.walks.may_begin(clock::now()) {
            self.scan(at);
        }
        self.attribution.run(cgroup).cloned()
    }

    /// Looks for the cgroups whose birth or end the kernel side lost, and for the end of those that a walk missed.
    pub(super) fn make_up_for_lost_cgroups(&mut self, at: BootNs) {
        let lost = [Probe::CgroupMade, Probe::CgroupRemoved].map(|probe| {
            let tallies = self.counters.of(probe);
            Tally::LOSSES.iter().map(|loss| counters::tally(&tallies, *loss)).sum::<u64>()
        });
        self.walks.lost(lost.iter().sum());
        let is_due = self.walks.is_due || self.attribution.misses_any();
        if is_due && self.walks.may_begin(at) {
            self.scan(at);
        }
    }

    /// Walks the cgroup tree: new containers appear, new host cgroups are set aside, gone ones are let go.
    pub(super) fn scan(&mut self, at: BootNs) {
        let began = clock::now();
        let attribution = &self.attribution;
        let found = self.hierarchy.scan(MAX_CGROUPS as usize * 2, |cgroup| attribution.knows(cgroup));
        if self.walks.is_cut_now(found.is_cut) {
            tracing::warn!("more than {} cgroups: some containers may be found late", MAX_CGROUPS * 2);
        }
        if !found.is_cut {
            for cgroup in self.attribution.long_absent(&found.present, found.is_too_deep, at) {
                self.end_floods(cgroup, at);
                if let Some(run) = self.attribution.remove(cgroup) {
                    self.vanish(run, at);
                }
            }
        }
        for (id, path) in found.unknown {
            self.place(id, &path, at, None);
        }
        self.walks.ended(began, clock::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::SECOND;

    #[test]
    fn a_slow_walk_is_followed_by_a_long_pause() {
        let mut walks = Walks::default();
        walks.ended(BootNs(SECOND), BootNs(SECOND + MS));
        assert!(!walks.may_begin(BootNs(SECOND + 100 * MS)) && walks.may_begin(BootNs(SECOND + 101 * MS)));
        walks.ended(BootNs(2 * SECOND), BootNs(3 * SECOND));
        assert!(!walks.may_begin(BootNs(11 * SECOND)) && walks.may_begin(BootNs(12 * SECOND)));
    }

    #[test]
    fn what_was_lost_is_looked_for_once() {
        let mut walks = Walks::default();
        walks.lost(0);
        assert!(!walks.is_due);
        walks.lost(3);
        walks.lost(3);
        assert!(walks.is_due);
        walks.ended(BootNs(0), BootNs(1));
        walks.lost(3);
        assert!(!walks.is_due);
    }
}

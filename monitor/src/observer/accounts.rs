//! What the kernel and the observer have counted, for the metrics.

use std::time::Duration;

use monitor_common::{
    limits::MAX_CGROUPS,
    probe::{Probe, Tally},
};

use super::{Inspected, Observer};
use crate::kernel::{
    counters,
    load::HookState,
    programs::{self, Books},
    rings::Rings,
};

impl Observer {
    /// The kernel's books on each attached program.
    pub fn books(&self) -> Vec<(&'static str, Books)> {
        let running = self.hooks.iter().chain(&self.on_demand).flat_map(HookState::programs);
        running.filter_map(|program| Some((program.name, programs::books(&self.ebpf, program)?))).collect()
    }

    /// Inspections that ended since the last call.
    pub fn take_inspected(&mut self) -> Vec<(Inspected, Duration)> {
        std::mem::take(&mut self.inspected)
    }

    /// Inspections that have not come back in time.
    pub fn stuck(&self) -> usize {
        self.inspections.stuck()
    }

    /// Inspections that broke off or found no place, since the start.
    pub fn inspections_failed(&self) -> u64 {
        self.inspections.failed()
    }

    /// The kernel maps that can fill up: entries and capacity, for a ring in bytes.
    pub fn maps(&self) -> Vec<(&'static str, u64, u64)> {
        let mut maps = vec![("IGNORED_CGROUPS", self.ignored.len(), MAX_CGROUPS.into())];
        maps.extend(self.rings.fills());
        maps
    }

    /// What was read of the rings.
    pub fn rings(&self) -> &Rings {
        &self.rings
    }

    /// The kernel's counters by probe and tally.
    pub fn tallies(&self) -> Vec<(Probe, Tally, u64)> {
        let each = Probe::ALL.into_iter().map(|probe| (probe, self.counters.of(probe)));
        each.flat_map(|(probe, of_probe)| {
            Tally::ALL.map(|tally| (probe, tally, counters::tally(&of_probe, tally)))
        })
        .collect()
    }
}

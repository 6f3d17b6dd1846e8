//! Containers whose events the kernel keeps back because there are too many: how many, and when it is over.

use std::collections::HashMap;

use monitor_common::probe::Probe;

use super::Observer;
use crate::model::{
    container::{CgroupId, Run},
    observation::Observation,
    time::BootNs,
};

/// Cgroups and probes that are followed at once. What others make is counted as lost by the probe all the same.
const MAX_FLOODS: usize = 1024;

/// Floods that go on, and those that are over: a later one of the same cgroup counts from there.
#[derive(Default)]
pub(super) struct Floods(HashMap<(CgroupId, Probe), Flood>);

struct Flood {
    run: Run,
    /// What the kernel had kept back when it was last asked.
    kept_back: u64,
    is_over: bool,
}

impl Flood {
    /// By how much it has grown since it was last asked for.
    fn grown_to(&mut self, kept_back: u64) -> u64 {
        let count = kept_back.saturating_sub(self.kept_back);
        self.kept_back = kept_back;
        count
    }

    fn told(&self, at: BootNs, probe: Probe, count: u64) -> Observation {
        if self.is_over {
            let container = self.run.container.short();
            tracing::info!(container, probe = probe.name(), "its flood of events is over");
        }
        let probe = probe.name().to_owned();
        Observation::KeptBack { run: self.run.clone(), at, probe, count, ended: self.is_over }
    }
}

impl Floods {
    fn begin(&mut self, run: &Run, cgroup: CgroupId, probe: Probe) {
        if self.0.len() >= MAX_FLOODS && !self.0.contains_key(&(cgroup, probe)) {
            return;
        }
        let new = Flood { run: run.clone(), kept_back: 0, is_over: true };
        let flood = self.0.entry((cgroup, probe)).or_insert(new);
        if std::mem::take(&mut flood.is_over) {
            tracing::warn!(
                container = run.container.short(),
                probe = probe.name(),
                "it makes more events than gomon takes in from one container: the rest is kept back and counted"
            );
        }
    }
}

impl Observer {
    /// The kernel told that a cgroup of a container floods.
    pub(super) fn flooded(&mut self, run: &Run, cgroup: CgroupId, probe: &str) {
        if let Some(probe) = Probe::ALL.into_iter().find(|known| known.name() == probe) {
            self.floods.begin(run, cgroup, probe);
        }
    }

    /// Asks the kernel how many events of each flood it has kept back since the last time.
    pub(super) fn follow_floods(&mut self, at: BootNs) {
        for ((cgroup, probe), flood) in self.floods.0.iter_mut().filter(|(_, flood)| !flood.is_over) {
            let count = flood.grown_to(self.budgets.kept_back(*cgroup, *probe));
            flood.is_over = count == 0;
            self.queue.push_back(flood.told(at, *probe, count));
        }
    }

    /// The cgroup is gone, and with it its floods.
    pub(super) fn end_floods(&mut self, cgroup: CgroupId, at: BootNs) {
        for ((_, probe), mut flood) in self.floods.0.extract_if(|(of, _), _| *of == cgroup) {
            let count = flood.grown_to(self.budgets.kept_back(cgroup, probe));
            if !flood.is_over || count > 0 {
                flood.is_over = true;
                self.queue.push_back(flood.told(at, probe, count));
            }
        }
    }
}

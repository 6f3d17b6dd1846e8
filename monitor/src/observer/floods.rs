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

impl Floods {
    /// The cgroup is gone.
    pub(super) fn forget(&mut self, cgroup: CgroupId) {
        self.0.retain(|(of, _), _| *of != cgroup);
    }

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
            let now = self.budgets.kept_back(*cgroup, *probe);
            let count = now.saturating_sub(flood.kept_back);
            flood.kept_back = now;
            flood.is_over = count == 0;
            let (run, ended) = (flood.run.clone(), flood.is_over);
            if ended {
                let container = run.container.short();
                tracing::info!(container, probe = probe.name(), "its flood of events is over");
            }
            let probe = probe.name().to_owned();
            self.queue.push_back(Observation::KeptBack { run, at, probe, count, ended });
        }
    }
}

//! What the clocks do to each other becomes observations: a machine that slept, a wall clock that was set.

use std::time::Duration;

use super::Observer;
use crate::{
    kernel::clock::{self, Changes},
    model::observation::Observation,
};

impl Observer {
    /// Comes before the events that are read next: what waits for time to pass must know first that nobody was awake.
    pub(super) fn follow_clocks(&mut self) {
        let Changes { slept_ns, epoch } = self.clocks.changes();
        let at = clock::now();
        if let Some(ns) = slept_ns {
            tracing::info!(slept = ?Duration::from_nanos(ns), "the machine has slept: that time counts for nothing");
            self.queue.push_back(Observation::Slept { at, ns });
        }
        if let Some(epoch) = epoch {
            tracing::info!(boot = epoch.rfc3339(crate::model::time::BootNs(0)), "the wall clock was set");
            self.epoch = epoch;
            self.queue.push_back(Observation::ClockSet { at, epoch });
        }
    }
}

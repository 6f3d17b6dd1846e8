//! Whether the agent is ready: every probe is attached, and its own failing calls come back.

use std::time::Instant;

use jiff::Timestamp;

use crate::{
    kernel::self_test,
    pipeline::Pipeline,
    sink::{
        seeing::{Seeing, Turn},
        shared::Shared,
    },
};

/// Watches the agent's sight.
pub(super) struct Sight {
    seeing: Seeing,
    /// Hooks that are off, as reasons.
    off: Vec<String>,
    /// What was told last.
    told: Option<Vec<String>>,
}

impl Sight {
    /// `off`: the hooks that are, as reasons not to be ready.
    pub(super) fn new(off: Vec<String>) -> Self {
        Self { seeing: Seeing::new(Instant::now()), off, told: None }
    }

    /// After each turn of the pipeline: makes a call where one is due, and says whether the agent is ready.
    pub(super) fn turn(&mut self, pipeline: &mut Pipeline, shared: &Shared) {
        let now = Instant::now();
        if pipeline.take_self_test() {
            self.seeing.came(now);
            shared.metrics(|metrics| metrics.self_tested(Timestamp::now()));
        }
        let Turn { calls, failed } = self.seeing.turn(now);
        if failed {
            shared.metrics(|metrics| metrics.self_test_failed());
            tracing::warn!("a failing call of gomon's own did not come back from the kernel in time");
        }
        if calls {
            self_test::call();
        }
        let reasons: Vec<String> = self.off.iter().cloned().chain(self.seeing.reason()).collect();
        if self.told.as_ref() == Some(&reasons) {
            return;
        }
        match reasons.as_slice() {
            [] => tracing::info!("gomon is ready: it sees"),
            // That it is not at the start goes without saying.
            _ if self.told.is_none() => {}
            reasons => tracing::warn!("gomon is not ready: {}", reasons.join("; ")),
        }
        shared.set_not_ready(reasons.clone());
        self.told = Some(reasons);
    }
}

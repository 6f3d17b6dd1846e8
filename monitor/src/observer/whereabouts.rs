//! Where to look for each container that is watched: forgotten a while after its end, when all questions have been asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    inspect::Whereabouts,
    model::{
        container::Run,
        time::{BootNs, SECOND},
    },
};

/// A view into another mount namespace keeps what is mounted there from going: it is not held for longer than this.
const KEEP_NS: u64 = 10 * SECOND;

/// The whereabouts of all runs that are alive, or were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_run: HashMap<Run, Arc<Whereabouts>>,
    gone: VecDeque<(BootNs, Run)>,
}

impl Known {
    pub(super) fn know(&mut self, run: Run, at: Whereabouts) {
        self.by_run.insert(run, Arc::new(at));
    }

    /// The run has ended.
    pub(super) fn gone(&mut self, run: Run, at: BootNs) {
        self.gone.push_back((at, run));
    }

    pub(super) fn forget(&mut self, now: BootNs) {
        while let Some((_, run)) = self.gone.pop_front_if(|(at, _)| now.since(*at) >= KEEP_NS) {
            self.by_run.remove(&run);
        }
    }

    /// Where to look; in the known places, by its id alone, if nothing told.
    pub(super) fn of(&self, run: &Run) -> Arc<Whereabouts> {
        self.by_run.get(run).cloned().unwrap_or_else(|| Arc::new(run.container.clone().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::{CgroupId, ContainerId};

    #[test]
    fn whereabouts_outlive_the_run_for_the_questions_that_are_on_their_way() {
        let run = Run { container: ContainerId("web".into()), cgroup: CgroupId(1) };
        let mut known = Known::default();
        known.know(run.clone(), ContainerId("known".into()).into());
        known.gone(run.clone(), BootNs(SECOND));
        known.forget(BootNs(2 * SECOND));
        assert_eq!(&*known.of(&run).id.0, "known");
        known.forget(BootNs(11 * SECOND));
        assert_eq!(&*known.of(&run).id.0, "web");
        assert!(known.by_run.is_empty() && known.gone.is_empty());
    }
}

//! Inspections that took too long: how many, and of whom. Nobody waits for them, and there are never many.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::model::container::ContainerId;

/// Threads that are left behind at once, for all containers.
const MAX_STUCK: usize = 32;
/// For one container.
const MAX_STUCK_EACH: usize = 4;

/// The inspections that are stuck, by container.
#[derive(Debug, Clone, Default)]
pub(super) struct Stuck(Arc<Mutex<HashMap<ContainerId, usize>>>);

/// One that is stuck, until this goes.
#[derive(Debug)]
pub(super) struct OneStuck {
    all: Stuck,
    container: ContainerId,
}

impl Stuck {
    pub(super) fn count(&self) -> usize {
        self.all().values().sum()
    }

    /// One more is stuck.
    pub(super) fn enter(&self, container: &ContainerId) -> OneStuck {
        *self.all().entry(container.clone()).or_default() += 1;
        OneStuck { all: self.clone(), container: container.clone() }
    }

    /// Why a container's files are not looked at for now.
    pub(super) fn refusal(&self, container: &ContainerId) -> Option<String> {
        let all = self.all();
        let of_it = all.get(container).copied().unwrap_or_default();
        if of_it >= MAX_STUCK_EACH {
            return Some(format!("{of_it} looks at its files have not come back yet"));
        }
        let of_all: usize = all.values().sum();
        (of_all >= MAX_STUCK).then(|| format!("{of_all} looks at files of containers have not come back yet"))
    }

    /// A panic elsewhere leaves a table that is whole.
    fn all(&self) -> MutexGuard<'_, HashMap<ContainerId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OneStuck {
    fn drop(&mut self) {
        let mut all = self.all.all();
        if let Some(count) = all.get_mut(&self.container) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.container);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_does_not_answer_is_left_alone_and_then_all_are() {
        let (stuck, web) = (Stuck::default(), ContainerId("web".into()));
        let other = ContainerId("other".into());
        let of_web: Vec<OneStuck> = (0..MAX_STUCK_EACH).map(|_| stuck.enter(&web)).collect();
        assert!(stuck.refusal(&web).unwrap().contains("4 looks at its files"));
        assert_eq!(stuck.refusal(&other), None);
        let ids = (MAX_STUCK_EACH..MAX_STUCK).map(|number| ContainerId(number.to_string().into()));
        let of_others: Vec<OneStuck> = ids.map(|id| stuck.enter(&id)).collect();
        assert_eq!(stuck.count(), MAX_STUCK);
        assert!(stuck.refusal(&other).is_some());
        drop(of_web);
        assert_eq!((stuck.refusal(&web), stuck.refusal(&other)), (None, None));
        drop(of_others);
        assert_eq!(stuck.count(), 0);
    }
}

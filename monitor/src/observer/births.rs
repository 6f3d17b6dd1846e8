//! What is learned of a container at its birth comes before the answers to questions about it: the first look has its names,
//! and a verdict without them would be counted as nobody's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

use crate::model::container::Run;

/// First looks that have not been told yet; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Births(Arc<Mutex<BTreeMap<Run, Arc<Semaphore>>>>);

/// A first look is under way; when dropped it has been told.
#[derive(Debug)]
pub(super) struct Begun {
    births: Births,
    run: Run,
    /// Closed at the end; nobody ever gets a permit.
    end: Arc<Semaphore>,
}

impl Births {
    pub(super) fn begin(&self, run: &Run) -> Begun {
        let end = Arc::new(Semaphore::new(0));
        self.lock().insert(run.clone(), Arc::clone(&end));
        Begun { births: self.clone(), run: run.clone(), end }
    }

    /// Waits until the first look at this run has been told, if one is under way.
    pub(super) async fn told(&self, run: &Run) {
        let end = self.lock().get(run).cloned();
        if let Some(end) = end {
            // An error is the end.
            drop(end.acquire().await);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Run, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut births = self.births.lock();
        if births.get(&self.run).is_some_and(|end| Arc::ptr_eq(end, &self.end)) {
            births.remove(&self.run);
        }
        self.end.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::container::{CgroupId, ContainerId};

    /// Whether it ends without anything else happening: the clock of a test goes on only when nothing else can.
    async fn is_over(waiting: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(Duration::from_secs(1), waiting).await.is_ok()
    }

    fn run(cgroup: u64) -> Run {
        Run { container: ContainerId("one".into()), cgroup: CgroupId(cgroup) }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_wait_for_the_first_look_at_their_own_run_alone() {
        let births = Births::default();
        let begun = births.begin(&run(1));
        assert!(!is_over(births.told(&run(1))).await);
        assert!(is_over(births.told(&run(2))).await);
        let waiting = tokio::spawn({
            let births = births.clone();
            async move { births.told(&run(1)).await }
        });
        tokio::task::yield_now().await;
        drop(begun);
        waiting.await.unwrap();
        assert!(is_over(births.told(&run(1))).await);
        assert!(births.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_looks_the_later_one_is_waited_for() {
        let births = Births::default();
        let (first, second) = (births.begin(&run(1)), births.begin(&run(1)));
        drop(first);
        assert!(!is_over(births.told(&run(1))).await);
        drop(second);
        assert!(is_over(births.told(&run(1))).await);
    }
}

//! What the agent's interfaces show: a snapshot that the pipeline writes and HTTP reads. Never does IO.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    model::{
        container::{ContainerId, Identity},
        diagnosis::Diagnosis,
        fact::Fact,
        observation::Observation,
        time::BootEpoch,
    },
    patterns::rank,
    report::json::Diagnoses,
};

use super::metrics::{Metrics, Scrape};

/// Diagnoses that are kept; beyond it the one that was last seen the longest ago goes.
const MAX_DIAGNOSES: usize = 4_096;
/// A pipeline that says nothing for so long is stuck.
const STUCK: Duration = Duration::from_mins(1);

/// A handle to the snapshot; clones share it.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

struct State {
    metrics: Metrics,
    epoch: BootEpoch,
    diagnoses: BTreeMap<Key, (Diagnosis, Identity)>,
    not_ready: Vec<String>,
    /// Where incidents are kept.
    store: Option<Arc<PathBuf>>,
    beat: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    container: ContainerId,
    pattern: String,
    subject: String,
}

/// Which diagnoses are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// A name, a pod, `NAMESPACE/POD[/NAME]`, or the beginning of a container id.
    pub container: Option<String>,
    /// Last seen then or later.
    pub since: Option<Timestamp>,
}

impl Filter {
    fn fits(&self, diagnosis: &Diagnosis, identity: &Identity, epoch: BootEpoch) -> bool {
        let Self { container, since } = self;
        container.as_ref().is_none_or(|wanted| is_named(wanted, &diagnosis.container, identity))
            && since.is_none_or(|since| epoch.utc(diagnosis.last_seen) >= since)
    }
}

/// Whether `wanted` names the container.
fn is_named(wanted: &str, id: &ContainerId, identity: &Identity) -> bool {
    let Identity { name, namespace, pod, .. } = identity;
    if wanted.is_empty() {
        return false;
    }
    if let Some(path) = wanted.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('/')) {
        return path == pod || path.strip_prefix(pod.as_str()) == Some(&format!("/{name}"));
    }
    wanted == name || wanted == pod || id.0.starts_with(wanted)
}

impl Shared {
    /// Not ready until [`Self::set_not_ready`] is called with no reason.
    #[must_use]
    pub fn new(metrics: Metrics, epoch: BootEpoch) -> Self {
        Self(Arc::new(Mutex::new(State {
            metrics,
            epoch,
            diagnoses: BTreeMap::new(),
            not_ready: vec!["gomon is starting".to_owned()],
            store: None,
            beat: Instant::now(),
        })))
    }

    /// Passes an observation to the metrics, and a container's new names to its diagnoses. Proof of life, too.
    pub fn observe(&self, observation: &Observation) {
        let mut state = self.lock();
        state.beat = Instant::now();
        state.metrics.observe(observation);
        if let Observation::ClockSet { epoch, .. } = observation {
            state.epoch = *epoch;
        }
        if let Observation::Learned { run, fact, .. } = observation
            && let Fact::Identity(learned) = fact.as_ref()
        {
            for (key, (_, identity)) in &mut state.diagnoses {
                if key.container == run.container {
                    identity.clone_from(learned);
                }
            }
        }
    }

    /// A diagnosis is new or was repeated.
    pub fn diagnosed(&self, diagnosis: &Diagnosis, identity: &Identity) {
        let mut state = self.lock();
        state.metrics.diagnosed(diagnosis, identity);
        let key = Key {
            container: diagnosis.container.clone(),
            pattern: diagnosis.pattern.clone(),
            subject: diagnosis.subject.clone(),
        };
        state.diagnoses.insert(key, (diagnosis.clone(), identity.clone()));
        if state.diagnoses.len() > MAX_DIAGNOSES {
            let oldest = state.diagnoses.iter().min_by_key(|(_, (one, _))| one.last_seen);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                state.diagnoses.remove(&key);
            }
        }
    }

    /// Where incidents are kept, to be read from there.
    pub fn set_store(&self, path: PathBuf) {
        self.lock().store = Some(Arc::new(path));
    }

    pub(super) fn store(&self) -> Option<Arc<PathBuf>> {
        self.lock().store.clone()
    }

    /// Why gomon cannot see; with no reason it is ready.
    pub fn set_not_ready(&self, reasons: Vec<String>) {
        self.lock().not_ready = reasons;
    }

    /// Reads or writes the metrics.
    pub fn metrics<T>(&self, use_them: impl FnOnce(&mut Metrics) -> T) -> T {
        use_them(&mut self.lock().metrics)
    }

    pub(super) fn scrape(&self) -> Scrape {
        let state = self.lock();
        state.metrics.set_health(state.not_ready.is_empty(), state.beat.elapsed());
        state.metrics.scrape()
    }

    pub(super) fn not_ready(&self) -> Vec<String> {
        self.lock().not_ready.clone()
    }

    /// For how long the pipeline has been silent, where that is too long.
    pub(super) fn stuck(&self) -> Option<Duration> {
        Some(self.lock().beat.elapsed()).filter(|silent| *silent >= STUCK)
    }

    /// The JSON document of the diagnoses that fit, the latest first.
    pub(super) fn diagnoses(&self, filter: &Filter) -> serde_json::Result<String> {
        let (mut found, epoch) = {
            let state = self.lock();
            let fit = |(one, identity): &&(Diagnosis, Identity)| filter.fits(one, identity, state.epoch);
            (state.diagnoses.values().filter(fit).cloned().collect::<Vec<_>>(), state.epoch)
        };
        mark_consequences(&mut found);
        found.sort_by_key(|(diagnosis, _)| std::cmp::Reverse(diagnosis.last_seen));
        let pairs = found.iter().map(|(diagnosis, identity)| (diagnosis, identity));
        serde_json::to_string(&Diagnoses::new(pairs, epoch))
    }

    /// A panic elsewhere leaves counters that are at worst one short.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each container's diagnoses among themselves; those of one container stand together.
fn mark_consequences(found: &mut [(Diagnosis, Identity)]) {
    for of_one in found.chunk_by_mut(|(one, _), (next, _)| one.container == next.container) {
        let mut diagnoses: Vec<Diagnosis> = of_one.iter().map(|(one, _)| one.clone()).collect();
        rank(&mut diagnoses);
        for ((slot, _), ranked) in of_one.iter_mut().zip(diagnoses) {
            *slot = ranked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_container_is_named_by_name_pod_path_or_id() {
        let (id, identity) = (samples::container(), samples::identity());
        for wanted in ["api", "api-7d9f", "shop/api-7d9f", "shop/api-7d9f/api", "3f2a9c"] {
            assert!(is_named(wanted, &id, &identity), "{wanted}");
        }
        for wanted in ["", "ap", "shop/api", "shop/api-7d9f/web", "other/api-7d9f", "9c1d"] {
            assert!(!is_named(wanted, &id, &identity), "{wanted}");
        }
    }
}

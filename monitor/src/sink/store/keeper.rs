//! The thread that writes the store: what the pipeline hands it waits in a bounded place, and waits on while the disk is
//! full. Never makes the pipeline wait; what it must give up is counted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{Store, StoreError, causes};
use crate::{
    model::{
        container::ContainerId,
        incident::{Session, Sighting},
        time::BootNs,
    },
    sink::{
        metrics::Metrics,
        outlet::{Outlet, Why},
    },
};

/// Incidents that wait to be written. Repeats of one wait as one, so that a crash loop takes one place.
const MAX_WAITING: usize = 4_096;
/// Further sightings are written together, so that a storm does not keep the disk busy.
const GATHER: Duration = Duration::from_millis(100);
/// After a failure the next try comes so much later.
const RETRY: Duration = Duration::from_secs(2);
/// How often the store is pruned at least.
const PRUNE: Duration = Duration::from_mins(5);
/// Written batches between two looks at the size.
const BATCHES: u32 = 64;

/// How long, and how much, is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_age: Duration,
    pub max_bytes: u64,
}

/// What the store did since the agent started, and how it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies {
    /// The last write succeeded.
    pub is_up: bool,
    pub written: u64,
    pub failed: u64,
    pub dropped: u64,
    pub pruned_age: u64,
    pub pruned_size: u64,
    pub waiting: u64,
    pub incidents: u64,
    pub bytes: u64,
}

type Key = (ContainerId, String, String, BootNs);

#[derive(Default)]
struct Waiting {
    sightings: BTreeMap<Key, Sighting>,
    is_stopping: bool,
    is_done: bool,
}

#[derive(Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    is_up: AtomicBool,
    written: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    pruned_age: AtomicU64,
    pruned_size: AtomicU64,
    incidents: AtomicU64,
    bytes: AtomicU64,
}

impl Inner {
    /// A panic elsewhere leaves sightings that are whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the pipeline has of the store; clones share it.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

impl Handle {
    /// Leaves a sighting to be written. Returns at once.
    pub fn keep(&self, sighting: Sighting) {
        let mut waiting = self.0.lock();
        let key = sighting.key();
        if let Some(known) = waiting.sightings.get_mut(&key) {
            known.absorb(sighting);
        } else if waiting.sightings.len() < MAX_WAITING {
            waiting.sightings.insert(key, sighting);
            self.0.changed.notify_all();
        } else {
            self.0.dropped.fetch_add(1, Relaxed);
        }
    }

    #[must_use]
    pub fn tallies(&self) -> Tallies {
        let inner = &self.0;
        Tallies {
            is_up: inner.is_up.load(Relaxed),
            written: inner.written.load(Relaxed),
            failed: inner.failed.load(Relaxed),
            dropped: inner.dropped.load(Relaxed),
            pruned_age: inner.pruned_age.load(Relaxed),
            pruned_size: inner.pruned_size.load(Relaxed),
            waiting: u64::try_from(inner.lock().sightings.len()).unwrap_or(u64::MAX),
            incidents: inner.incidents.load(Relaxed),
            bytes: inner.bytes.load(Relaxed),
        }
    }
}

impl Outlet for Handle {
    /// However it came: the store knows what it has counted.
    fn take(&self, sighting: &Sighting, _why: Why) {
        self.keep(sighting.clone());
    }

    fn tell(&self, metrics: &Metrics) {
        metrics.set_store(self.tallies());
    }
}

/// The thread and what it works on.
pub struct Keeper {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Opens the store and begins to write. A wrong choice of the file is an error; a disk that does not let it write yet
    /// is tried again, and what is found until then waits.
    pub fn start(path: &Path, session: Session, limits: Limits) -> Result<Self, StoreError> {
        let store = match Store::open(path, &session) {
            Err(error) if error.is_refusal() => return Err(error),
            opened => opened,
        };
        let handle = Handle(Arc::default());
        let mut worker = Worker {
            inner: Arc::clone(&handle.0),
            path: path.to_owned(),
            session,
            limits,
            store: None,
            complained: false,
            pruned: None,
            batches: 0,
        };
        match store {
            Ok(store) => worker.opened(store),
            Err(error) => worker.complain(&error),
        }
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || worker.work());
        let thread = thread.map_err(|source| StoreError::File {
            path: path.to_owned(),
            what: "start a writer of",
            source,
        })?;
        Ok(Self { handle, thread })
    }

    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what waits and closes the store, unless that takes longer than `patience`; how many sightings were not
    /// written.
    pub fn finish(self, patience: Duration) -> u64 {
        let Self { handle: Handle(inner), thread } = self;
        let mut waiting = inner.lock();
        waiting.is_stopping = true;
        inner.changed.notify_all();
        let deadline = Instant::now() + patience;
        while !waiting.is_done {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = match inner.changed.wait_timeout(waiting, left) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        let left = u64::try_from(waiting.sightings.len()).unwrap_or(u64::MAX);
        let is_done = waiting.is_done;
        drop(waiting);
        if is_done {
            // A panic was told by its own message.
            drop(thread.join());
        }
        left
    }
}

struct Worker {
    inner: Arc<Inner>,
    path: PathBuf,
    session: Session,
    limits: Limits,
    store: Option<Store>,
    /// The trouble was told; it is told once.
    complained: bool,
    pruned: Option<Instant>,
    batches: u32,
}

impl Worker {
    fn work(mut self) {
        self.prune_when_due();
        loop {
            let (batch, is_stopping) = self.next_batch();
            let written = self.write(batch);
            if written {
                self.prune_when_due();
            }
            if is_stopping && (!written || self.inner.lock().sightings.is_empty()) {
                break;
            }
            self.rest(if written { GATHER } else { RETRY });
        }
        // Closing takes the log over into the database.
        drop(self.store.take());
        self.inner.lock().is_done = true;
        self.inner.changed.notify_all();
    }

    /// Waits for something to write, for the time to prune, or for the end.
    fn next_batch(&self) -> (BTreeMap<Key, Sighting>, bool) {
        let mut waiting = self.inner.lock();
        let deadline = Instant::now() + if self.store.is_some() { PRUNE } else { RETRY };
        while waiting.sightings.is_empty() && !waiting.is_stopping {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = match self.inner.changed.wait_timeout(waiting, left) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        // They go from the waiting place only once they are written.
        (waiting.sightings.clone(), waiting.is_stopping)
    }

    /// Waits, unless the end comes.
    fn rest(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut waiting = self.inner.lock();
        while !waiting.is_stopping {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = match self.inner.changed.wait_timeout(waiting, left) {
                Ok((waiting, _)) => waiting,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Whether all of them are in the file.
    fn write(&mut self, batch: BTreeMap<Key, Sighting>) -> bool {
        let result = self.try_write(&batch);
        match result {
            Ok(()) => {
                let mut waiting = self.inner.lock();
                for (key, written) in batch {
                    // What came meanwhile stays, with the evidence that it has beyond.
                    if waiting.sightings.get(&key) == Some(&written) {
                        waiting.sightings.remove(&key);
                    }
                    self.inner.written.fetch_add(1, Relaxed);
                }
                drop(waiting);
                self.batches = self.batches.saturating_add(1);
                self.inner.is_up.store(true, Relaxed);
                if std::mem::take(&mut self.complained) {
                    tracing::info!(store = %self.path.display(), "incidents are kept again");
                }
                true
            }
            Err(error) => {
                self.complain(&error);
                // A damaged file is moved aside when it is opened anew. A full disk needs nothing but room.
                if !error.is_passing() {
                    self.store = None;
                }
                false
            }
        }
    }

    fn try_write(&mut self, batch: &BTreeMap<Key, Sighting>) -> Result<(), StoreError> {
        if self.store.is_none() {
            let store = Store::open(&self.path, &self.session)?;
            self.opened(store);
        }
        match &mut self.store {
            Some(store) if !batch.is_empty() => store.write(batch.values()),
            Some(_) | None => Ok(()),
        }
    }

    fn opened(&mut self, store: Store) {
        if let Some(aside) = &store.moved_aside {
            tracing::error!(
                store = %self.path.display(), aside = %aside.display(),
                "the store of incidents was damaged: it was moved aside, and a new one begun"
            );
        }
        self.inner.is_up.store(true, Relaxed);
        self.measure(&store);
        self.store = Some(store);
    }

    fn complain(&mut self, error: &StoreError) {
        self.inner.is_up.store(false, Relaxed);
        self.inner.failed.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut self.complained, true) {
            let causes = causes(error);
            tracing::error!(
                store = %self.path.display(),
                "incidents are not kept: {causes}; gomon goes on watching and tries again"
            );
        }
    }

    fn prune_when_due(&mut self) {
        let is_due = self.pruned.is_none_or(|pruned| pruned.elapsed() >= PRUNE) || self.batches >= BATCHES;
        let Some(mut store) = self.store.take() else { return };
        if is_due {
            self.pruned = Some(Instant::now());
            self.batches = 0;
            if let Err(error) = self.prune(&mut store) {
                self.complain(&error);
                return;
            }
        }
        self.measure(&store);
        self.store = Some(store);
    }

    fn prune(&self, store: &mut Store) -> Result<(), StoreError> {
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let age = i64::try_from(self.limits.max_age.as_nanos()).unwrap_or(i64::MAX);
        let old = store.prune_older(now.saturating_sub(age))?;
        let surplus = store.prune_larger(self.limits.max_bytes)?;
        self.inner.pruned_age.fetch_add(old, Relaxed);
        self.inner.pruned_size.fetch_add(surplus, Relaxed);
        if old + surplus > 0 {
            tracing::info!(old, surplus, "incidents were pruned");
        }
        Ok(())
    }

    fn measure(&self, store: &Store) {
        if let Ok((incidents, bytes)) = store.size() {
            self.inner.incidents.store(incidents, Relaxed);
            self.inner.bytes.store(bytes, Relaxed);
        }
    }
}

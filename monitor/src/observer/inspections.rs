//! Runs inspections on blocking threads, a few at a time, each with a deadline.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, mpsc};

use super::dlopen::Dlopens;
use crate::{
    inspect::{self, Deadline, Host, WatchDlopen, Whereabouts},
    model::{
        container::{Identity, Run, Runtime},
        fact::{Fact, Want},
    },
};

/// Inspections at a time: they wait for the disk more than for the processor.
const AT_ONCE: usize = 8;
/// Time that one inspection may take.
const BUDGET: Duration = Duration::from_secs(2);
/// Time for all sockets together.
const SOCKET_TIME: Duration = Duration::from_secs(2);
/// Inspections that may wait; beyond it the container's facts stay unknown.
const MAX_WAITING: usize = 4096;

/// What to look at.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// The container's cgroup has just appeared.
    Birth,
    /// It runs, and this is one of its processes.
    Live(u32),
    Answer {
        pids: Vec<u32>,
        want: Want,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) run: Run,
    pub(super) facts: Vec<Fact>,
    pub(super) took: Duration,
    /// A socket said so: it knows no more.
    pub(super) from_socket: bool,
}

/// All inspections under way.
pub(super) struct Inspections {
    host: Arc<Host>,
    places: Arc<Semaphore>,
    sender: mpsc::Sender<Learned>,
    receiver: mpsc::Receiver<Learned>,
    waiting: Arc<Semaphore>,
    /// Those that broke off or found no place.
    failed: Arc<AtomicU64>,
    dlopens: Dlopens,
    sockets: Arc<[PathBuf]>,
    /// Runs whose names the sockets shall tell; one question serves all that wait.
    nameless: Arc<Mutex<Vec<(Run, Runtime)>>>,
    /// One question to the sockets at a time.
    asking: Arc<Semaphore>,
    /// What waits until the probes are attached: they come first. `None` from then on.
    held: Option<Vec<(Run, Arc<Whereabouts>, Kind)>>,
}

impl Inspections {
    pub(super) fn new(host: Arc<Host>, sockets: Vec<PathBuf>) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        Self {
            host,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            sender,
            receiver,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            failed: Arc::default(),
            dlopens: Dlopens::default(),
            sockets: sockets.into(),
            nameless: Arc::default(),
            asking: Arc::new(Semaphore::new(1)),
            held: Some(Vec::new()),
        }
    }

    /// These are asked from now on.
    pub(super) fn use_sockets(&mut self, sockets: Vec<PathBuf>) {
        self.sockets = sockets.into();
    }

    /// Asks the runtimes' sockets for the name that the files do not tell.
    pub(super) fn ask_sockets(&self, run: Run, runtime: Runtime) {
        if self.sockets.is_empty() {
            return;
        }
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else { return };
        locked(&self.nameless).push((run, runtime));
        let (sockets, asking, sender) =
            (Arc::clone(&self.sockets), Arc::clone(&self.asking), self.sender.clone());
        let nameless = Arc::clone(&self.nameless);
        tokio::spawn(async move {
            let Ok(turn) = asking.acquire_owned().await else { return };
            let nameless = std::mem::take(&mut *locked(&nameless));
            if nameless.is_empty() {
                return;
            }
            let asked = Instant::now();
            let (told, errors) = crate::runtime::from_sockets(&sockets, SOCKET_TIME).await;
            drop(turn);
            for error in errors {
                tracing::debug!(%error, "a runtime socket does not answer");
            }
            for (run, runtime) in nameless {
                let Some(named) = told.iter().find(|listed| listed.id == run.container) else { continue };
                let identity = Identity { runtime, ..named.identity.clone() };
                let facts = vec![Fact::Identity(identity)];
                // The receiver is gone only when gomon ends.
                drop(sender.send(Learned { run, facts, took: asked.elapsed(), from_socket: true }).await);
            }
            drop(waiting);
        });
    }

    pub(super) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Who sees to it that failing calls of dlopen are seen.
    pub(super) fn watch_with(&mut self, dlopens: Dlopens) {
        self.dlopens = dlopens;
    }

    /// The probes are attached: what was asked for until now begins.
    pub(super) fn release(&mut self) {
        for (run, at, kind) in self.held.take().unwrap_or_default() {
            self.start(run, at, kind);
        }
    }

    /// Starts one; what it learns comes out of [`Self::next`].
    pub(super) fn start(&mut self, run: Run, at: Arc<Whereabouts>, kind: Kind) {
        if let Some(held) = &mut self.held {
            // No more than may wait later.
            if held.len() < MAX_WAITING {
                held.push((run, at, kind));
            } else {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::warn!(
                container = run.container.short(),
                "too many inspections wait: its files stay unknown"
            );
            self.failed.fetch_add(1, Ordering::Relaxed);
            at.let_go();
            return;
        };
        let (host, places, sender) = (Arc::clone(&self.host), Arc::clone(&self.places), self.sender.clone());
        let (dlopens, failed) = (self.dlopens.clone(), Arc::clone(&self.failed));
        tokio::spawn(async move {
            let Ok(place) = places.acquire_owned().await else { return };
            let started = Instant::now();
            let looked = tokio::task::spawn_blocking(move || {
                let facts = look(&host, &at, &kind, &|calls| dlopens.watch(&run, calls));
                (run, facts)
            });
            let looked = looked.await;
            drop(place);
            match looked {
                // The receiver is gone only when gomon ends.
                Ok((run, facts)) => drop(
                    sender.send(Learned { run, facts, took: started.elapsed(), from_socket: false }).await,
                ),
                Err(error) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "an inspection failed");
                }
            }
            drop(waiting);
        });
    }

    /// Those that broke off, or found no place because too many waited.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Something is still being looked at.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.available_permits() < MAX_WAITING || !self.receiver.is_empty() || self.held.is_some()
    }

    /// What the next inspection to end has learned.
    pub(super) async fn next(&mut self) -> Option<Learned> {
        self.receiver.recv().await
    }

    /// The same, if one has ended already.
    pub(super) fn next_now(&mut self) -> Option<Learned> {
        self.receiver.try_recv().ok()
    }
}

/// A panic elsewhere leaves a list that is at worst too long.
fn locked<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(host: &Host, at: &Whereabouts, kind: &Kind, watch: WatchDlopen<'_>) -> Vec<Fact> {
    let deadline = Deadline::after(BUDGET);
    match kind {
        Kind::Birth => inspect::at_birth(host, at, watch, deadline),
        Kind::Live(pid) => inspect::of_live(host, at, *pid, watch, deadline),
        Kind::Answer { pids, want } => vec![inspect::answer(host, at, pids, want, deadline)],
    }
}

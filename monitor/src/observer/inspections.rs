//! Runs inspections on blocking threads, a few at a time, each with a deadline. Waits for none that does not come back.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinError, JoinHandle},
    time::timeout,
};

use super::{
    births::{Begun, Births},
    dlopen::Dlopens,
    stuck::Stuck,
};
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
/// An inspection that is late by a step holds up no other any more, and counts as stuck.
const PATIENCE: Duration = Duration::from_secs(3);
/// From then on nobody waits for it: what it was to tell is unknown.
const GIVEN_UP: Duration = Duration::from_secs(10);
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
    pub(super) way: Way,
}

/// How something was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Looked,
    /// Nobody waits for the look any longer.
    GivenUp,
    /// gomon itself failed at it.
    Failed,
    /// The look came back when it was given up: only what it has set is of interest.
    TooLate,
    /// A socket said so: it knows no more.
    Socket,
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
    stuck: Stuck,
    births: Births,
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
            dlopens: Dlopens::not_yet(Arc::clone(&host)),
            stuck: Stuck::default(),
            births: Births::default(),
            host,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            sender,
            receiver,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            failed: Arc::default(),
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
                drop(sender.send(Learned { run, facts, took: asked.elapsed(), way: Way::Socket }).await);
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
        let places = Arc::clone(&self.places);
        let begun = match kind {
            Kind::Birth | Kind::Live(_) => Some(self.births.begin(&run)),
            Kind::Answer { .. } => None,
        };
        let inspection = Inspection {
            run,
            at,
            kind,
            host: Arc::clone(&self.host),
            dlopens: self.dlopens.clone(),
            stuck: self.stuck.clone(),
            births: self.births.clone(),
            failed: Arc::clone(&self.failed),
            sender: self.sender.clone(),
        };
        tokio::spawn(async move {
            let Ok(place) = places.acquire_owned().await else { return };
            inspection.make(place, waiting, begun).await;
        });
    }

    /// How many have not come back in time.
    pub(super) fn stuck(&self) -> usize {
        self.stuck.count()
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

/// One inspection.
struct Inspection {
    run: Run,
    at: Arc<Whereabouts>,
    kind: Kind,
    host: Arc<Host>,
    dlopens: Dlopens,
    stuck: Stuck,
    births: Births,
    failed: Arc<AtomicU64>,
    sender: mpsc::Sender<Learned>,
}

type Looking = JoinHandle<Vec<Fact>>;

impl Inspection {
    /// `begun` is there where it is the first look at its container.
    async fn make(self, place: OwnedSemaphorePermit, waiting: OwnedSemaphorePermit, begun: Option<Begun>) {
        let started = Instant::now();
        if let Some(why) = self.refusal() {
            self.at.let_go();
            return self.tell(self.unanswered(&why), started, Way::GivenUp).await;
        }
        let mut looking = self.look();
        let in_time = timeout(PATIENCE, &mut looking).await;
        drop(place);
        if let Ok(looked) = in_time {
            return self.end(looked, started).await;
        }
        let stuck = self.stuck.enter(&self.run.container);
        if let Ok(looked) = timeout(GIVEN_UP.saturating_sub(PATIENCE), &mut looking).await {
            return self.end(looked, started).await;
        }
        let why = format!("the container's files did not answer within {} s", GIVEN_UP.as_secs());
        tracing::warn!(container = self.run.container.short(), "{why}");
        self.tell(self.unanswered(&why), started, Way::GivenUp).await;
        drop((waiting, begun));
        drop(looking.await);
        drop(stuck);
        self.tell(Vec::new(), started, Way::TooLate).await;
    }

    /// Too much is stuck already. What procfs tells needs none of the container's files.
    fn refusal(&self) -> Option<String> {
        match &self.kind {
            Kind::Answer { want: Want::Processes | Want::Cpu, .. } => None,
            Kind::Answer { want: Want::File(_) | Want::Pem(_) | Want::Linked(_), .. }
            | Kind::Birth
            | Kind::Live(_) => self.stuck.refusal(&self.run.container),
        }
    }

    fn look(&self) -> Looking {
        let (host, dlopens) = (Arc::clone(&self.host), self.dlopens.clone());
        let (run, at, kind) = (self.run.clone(), Arc::clone(&self.at), self.kind.clone());
        tokio::task::spawn_blocking(move || look(&host, &at, &kind, &|calls| dlopens.watch(&run, calls)))
    }

    async fn end(&self, looked: Result<Vec<Fact>, JoinError>, started: Instant) {
        match looked {
            Ok(facts) => self.tell(facts, started, Way::Looked).await,
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "an inspection failed");
                self.tell(self.unanswered("gomon's look at it failed"), started, Way::Failed).await;
            }
        }
    }

    fn unanswered(&self, why: &str) -> Vec<Fact> {
        match &self.kind {
            Kind::Birth | Kind::Live(_) => inspect::unanswered(&self.at, why),
            Kind::Answer { want, .. } => vec![inspect::unanswered_question(want, why)],
        }
    }

    async fn tell(&self, facts: Vec<Fact>, started: Instant, way: Way) {
        let learned = Learned { run: self.run.clone(), facts, took: started.elapsed(), way };
        if matches!(self.kind, Kind::Answer { .. }) {
            self.births.told(&self.run).await;
        }
        // The receiver is gone only when gomon ends.
        drop(self.sender.send(learned).await);
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

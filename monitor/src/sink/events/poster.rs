//! The task that writes events: what the pipeline hands it is counted up in the books, and the books say what is next.
//! Never makes the pipeline wait; what the API does not take is counted, and told in the log once.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle};

use super::{
    Posted,
    answer::{Answer, Verb},
    books::{Books, Draft, Next},
    client::{Client, ClientError},
    event,
};
use crate::{
    config::kubernetes::KubernetesConfig,
    model::incident::Sighting,
    sink::{
        metrics::Metrics,
        outlet::{Outlet, Why},
        store::causes,
    },
};

/// Between two tries while the API does not answer: the first time, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_mins(1);
/// Tries of one write; after that its turn is over until its window is.
const TRIES: u32 = 6;

struct Inner {
    books: Mutex<Books>,
    changed: Notify,
    stop: Notify,
    /// Times of the books count from here.
    started: Instant,
    is_stopping: AtomicBool,
    created: AtomicU64,
    patched: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

impl Inner {
    /// A panic elsewhere leaves counts that are whole.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What the pipeline has of the poster; clones share it.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

impl Handle {
    #[must_use]
    pub fn posted(&self) -> Posted {
        let inner = &self.0;
        Posted {
            created: inner.created.load(Relaxed),
            patched: inner.patched.load(Relaxed),
            failed: inner.failed.load(Relaxed),
            refused: inner.refused.load(Relaxed),
            dropped: inner.dropped.load(Relaxed),
            waiting: inner.books().waiting(),
        }
    }
}

impl Outlet for Handle {
    /// However it came: the books know what they have counted.
    fn take(&self, sighting: &Sighting, _why: Why) {
        let has_room = self.0.books().see(self.0.now(), sighting);
        if !has_room {
            self.0.dropped.fetch_add(1, Relaxed);
        }
        self.0.changed.notify_one();
    }

    fn tell(&self, metrics: &Metrics) {
        metrics.set_kubernetes_events(self.posted());
    }
}

/// The task.
pub struct Poster {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Poster {
    /// Begins to write. Whether the API can be reached shows with the first event.
    #[must_use]
    pub fn start(config: KubernetesConfig) -> Self {
        let handle = Handle(Arc::new(Inner {
            books: Mutex::new(Books::new(config.per_minute)),
            changed: Notify::new(),
            stop: Notify::new(),
            started: Instant::now(),
            is_stopping: AtomicBool::new(false),
            created: AtomicU64::default(),
            patched: AtomicU64::default(),
            failed: AtomicU64::default(),
            refused: AtomicU64::default(),
            dropped: AtomicU64::default(),
        }));
        let worker = Worker::new(Arc::clone(&handle.0), config);
        Self { handle, task: tokio::spawn(worker.work()) }
    }

    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Writes what may be written now, unless that takes longer than `patience`; what it did then.
    pub async fn finish(self, patience: Duration) -> Posted {
        let Self { handle, mut task } = self;
        handle.0.is_stopping.store(true, Relaxed);
        handle.0.changed.notify_one();
        handle.0.stop.notify_one();
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
        let posted = handle.posted();
        handle.0.dropped.fetch_add(posted.waiting, Relaxed);
        Posted { dropped: posted.dropped + posted.waiting, ..posted }
    }
}

struct Worker {
    inner: Arc<Inner>,
    config: KubernetesConfig,
    client: Option<Client>,
    wait: Duration,
    /// The last try failed.
    is_failing: bool,
    /// The trouble was told; each kind is told once.
    has_failed: bool,
    is_refused: bool,
}

impl Worker {
    fn new(inner: Arc<Inner>, config: KubernetesConfig) -> Self {
        Self {
            inner,
            config,
            client: None,
            wait: FIRST_WAIT,
            is_failing: false,
            has_failed: false,
            is_refused: false,
        }
    }

    async fn work(mut self) {
        loop {
            // What the API does not take at the end is not tried once more.
            if self.is_stopping() && self.is_failing {
                return;
            }
            let next = self.inner.books().next(self.inner.now());
            match next {
                Next::Create(draft) => self.write(Verb::Create, &draft).await,
                Next::Patch(draft) => self.write(Verb::Patch, &draft).await,
                Next::At(_) | Next::Nothing if self.is_stopping() => return,
                Next::At(at) => {
                    let wait = at.saturating_sub(self.inner.now());
                    // Whichever comes first: what changed may be due earlier.
                    let _ = tokio::time::timeout(wait, self.inner.changed.notified()).await;
                }
                Next::Nothing => self.inner.changed.notified().await,
            }
        }
    }

    /// One write, tried until the API has said something about it.
    async fn write(&mut self, verb: Verb, draft: &Draft) {
        for attempt in 0..TRIES {
            let answer = match verb {
                Verb::Create => self.create(draft).await,
                Verb::Patch => self.patch(draft, &event::patch(draft)).await.map(|(answer, _)| answer),
            };
            match answer {
                Ok(Answer::Done) => return self.written(verb, draft),
                // The answer to an earlier try did not come.
                Ok(Answer::Exists) if attempt > 0 => return self.written(verb, draft),
                Ok(Answer::Exists) => return self.adopt(draft).await,
                Ok(Answer::Gone) => return self.inner.books().gone(draft),
                Ok(Answer::Refused(why)) => return self.refused(draft, &why),
                Ok(Answer::Later(wait, why)) => self.failed(wait, &why).await,
                Err(error) => self.failed(None, &causes(&error)).await,
            }
            if self.is_stopping() {
                return;
            }
        }
        self.put_off(draft);
    }

    /// An earlier agent made the event. A patch of nothing tells how far that one had counted.
    async fn adopt(&mut self, draft: &Draft) {
        match self.patch(draft, &json!({})).await {
            Ok((Answer::Done, known)) => self.inner.books().adopt(draft, known),
            // It was forgotten meanwhile: the next turn makes it.
            Ok((Answer::Gone, _)) => {}
            Ok((Answer::Refused(why), _)) => self.refused(draft, &why),
            Ok((Answer::Later(wait, why), _)) => self.failed(wait, &why).await,
            Ok((Answer::Exists, _)) => self.put_off(draft),
            Err(error) => self.failed(None, &causes(&error)).await,
        }
    }

    async fn create(&mut self, draft: &Draft) -> Result<Answer, ClientError> {
        let event = event::event(draft, &self.config.node);
        self.client()?.create(&event).await
    }

    async fn patch(&mut self, draft: &Draft, patch: &Value) -> Result<(Answer, u64), ClientError> {
        let (namespace, name) = (&draft.regarding.namespace, draft.regarding.event_name());
        self.client()?.patch(namespace, &name, patch).await
    }

    fn client(&mut self) -> Result<&Client, ClientError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(&self.config)?,
        };
        Ok(self.client.insert(client))
    }

    fn written(&mut self, verb: Verb, draft: &Draft) {
        self.inner.books().written(self.inner.now(), draft);
        let count = match verb {
            Verb::Create => &self.inner.created,
            Verb::Patch => &self.inner.patched,
        };
        count.fetch_add(1, Relaxed);
        (self.wait, self.is_failing) = (FIRST_WAIT, false);
        if self.has_failed || self.is_refused {
            (self.has_failed, self.is_refused) = (false, false);
            tracing::info!("Kubernetes Events are written again");
        }
    }

    fn refused(&mut self, draft: &Draft, why: &str) {
        self.inner.refused.fetch_add(1, Relaxed);
        self.put_off(draft);
        // It did answer.
        (self.wait, self.is_failing) = (FIRST_WAIT, false);
        if !std::mem::replace(&mut self.is_refused, true) {
            tracing::error!(
                namespace = draft.regarding.namespace,
                "a Kubernetes Event is refused: {why}; further refusals are only counted"
            );
        }
    }

    /// Waits until the next try: as long as the API asks for, or longer each time.
    async fn failed(&mut self, asked: Option<Duration>, why: &str) {
        self.inner.failed.fetch_add(1, Relaxed);
        self.is_failing = true;
        if !std::mem::replace(&mut self.has_failed, true) {
            tracing::error!(
                "a Kubernetes Event is not written: {why}; gomon tries again, and further failures are only counted"
            );
        }
        let wait = asked.unwrap_or(self.wait);
        self.wait = (self.wait * 2).min(LAST_WAIT);
        // Not all nodes at once: up to half as long again.
        let spread = wait / 200 * u32::try_from(RandomState::new().hash_one(0) % 100).unwrap_or(0);
        let _ = tokio::time::timeout(wait + spread, self.inner.stop.notified()).await;
    }

    fn put_off(&self, draft: &Draft) {
        self.inner.books().put_off(self.inner.now(), draft);
    }

    fn is_stopping(&self) -> bool {
        self.inner.is_stopping.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;

//! Sends diagnoses as log records to a receiver of OpenTelemetry. Never makes the pipeline wait; what it must give up is
//! counted by reason.

pub mod fields;
mod image;
mod queue;
mod record;
mod retry;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod value;
mod worker;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use hyper::{HeaderMap, Uri};
use serde::Deserialize;
use tokio::{sync::Notify, task::JoinHandle};

use self::{
    queue::{Pace, Queue},
    transport::Transport,
    worker::Worker,
};
use super::{
    metrics::Metrics,
    outlet::{Outlet, Why},
};
use crate::model::incident::Sighting;

pub use record::{Own, request};
pub use tls::{Roots, TlsError};

/// One record a second after the first news of a diagnosis, and one a minute of what follows.
const PACE: Pace = Pace { gather: Duration::from_secs(1), pause: Duration::from_mins(1) };
/// The wait after a first failure.
const RETRY: Duration = Duration::from_secs(1);

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub enum Protocol {
    #[serde(rename = "grpc")]
    #[value(name = "grpc")]
    Grpc,
    #[serde(rename = "http/protobuf")]
    #[value(name = "http/protobuf")]
    HttpProtobuf,
}

impl Protocol {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }
}

/// Where records go, and how.
pub struct Settings {
    /// For `http/protobuf` the whole of it, path and all.
    pub endpoint: Uri,
    pub protocol: Protocol,
    /// Of every request. Secret.
    pub headers: HeaderMap,
    /// Of one try.
    pub timeout: Duration,
    pub roots: Roots,
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, protocol, headers: _, timeout, roots: _ } = self;
        write!(out, "{endpoint} {} {timeout:?}", protocol.name())
    }
}

/// What was sent since the agent started, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies {
    /// The last export succeeded.
    pub is_up: bool,
    pub accepted: u64,
    /// The receiver took the request and did not want these.
    pub rejected: u64,
    /// The receiver did not want the request, and would not want it later.
    pub refused: u64,
    /// News that there was no room for.
    pub overflown: u64,
    /// The agent ended before they were sent.
    pub unsent: u64,
    pub exports: u64,
    /// Tries that are made again.
    pub retries: u64,
    pub refusals: u64,
    pub waiting: u64,
    pub bytes: u64,
}

struct Inner {
    queue: Mutex<Queue>,
    /// Something waits, or the end has come.
    changed: Notify,
    is_stopping: AtomicBool,
    is_up: AtomicBool,
    accepted: AtomicU64,
    rejected: AtomicU64,
    refused: AtomicU64,
    unsent: AtomicU64,
    exports: AtomicU64,
    retries: AtomicU64,
    refusals: AtomicU64,
}

impl Inner {
    fn new(pace: Pace) -> Self {
        Self {
            queue: Mutex::new(Queue::new(pace)),
            changed: Notify::new(),
            is_stopping: AtomicBool::new(false),
            is_up: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            exports: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        }
    }

    /// A panic elsewhere leaves news that are whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the pipeline has of it; clones share it.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

impl Handle {
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        let inner = &self.0;
        let whole = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let (waiting, bytes, overflown) = {
            let queue = inner.lock();
            (whole(queue.waiting()), whole(queue.bytes()), queue.overflown())
        };
        Tallies {
            is_up: inner.is_up.load(Relaxed),
            accepted: inner.accepted.load(Relaxed),
            rejected: inner.rejected.load(Relaxed),
            refused: inner.refused.load(Relaxed),
            overflown,
            unsent: inner.unsent.load(Relaxed),
            exports: inner.exports.load(Relaxed),
            retries: inner.retries.load(Relaxed),
            refusals: inner.refusals.load(Relaxed),
            waiting,
            bytes,
        }
    }
}

impl Outlet for Handle {
    fn take(&self, sighting: &Sighting, why: Why) {
        self.0.lock().take(sighting, why, Instant::now());
        self.0.changed.notify_one();
    }

    fn tell(&self, metrics: &Metrics) {
        metrics.set_otlp(self.tallies());
    }
}

/// The task that sends, and what it works on.
pub struct Exporter {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Begins to send; call it in the runtime that is to do it.
    #[must_use]
    pub fn start(settings: Settings, own: Own) -> Self {
        Self::start_at(PACE, RETRY, settings, own)
    }

    fn start_at(pace: Pace, retry: Duration, settings: Settings, own: Own) -> Self {
        let inner = Arc::new(Inner::new(pace));
        let worker = Worker::new(Arc::clone(&inner), Transport::new(settings), own, pace.gather, retry);
        Self { handle: Handle(inner), task: tokio::spawn(worker.work()) }
    }

    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Sends what waits, each at most once more, unless that takes longer than `patience`; how many records were not sent.
    pub async fn finish(self, patience: Duration) -> u64 {
        let Self { handle: Handle(inner), mut task } = self;
        inner.is_stopping.store(true, Relaxed);
        inner.changed.notify_one();
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
        let left = u64::try_from(inner.lock().waiting()).unwrap_or(u64::MAX);
        inner.unsent.store(left, Relaxed);
        left
    }
}

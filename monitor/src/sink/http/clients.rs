//! Decides which client has to go when there is no room for a new one: who asks nothing first, then who reads slowly.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::{Instant, timeout},
};

/// Connections at a time, for each listener.
pub(super) const MAX_CLIENTS: usize = 32;
/// Whoever has asked may read for so long, however many wait.
const READING: Duration = Duration::from_secs(1);
/// How long a new client waits before somebody else may have to go.
const PAUSE: Duration = Duration::from_millis(20);

/// Set once the whole head of a request is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<AtomicBool>);

impl Heard {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that is connected.
#[derive(Debug)]
struct Client {
    since: Instant,
    heard: Heard,
    task: AbortHandle,
}

/// Those that are connected, the oldest first.
#[derive(Debug)]
pub(super) struct Clients {
    places: Arc<Semaphore>,
    connected: VecDeque<Client>,
}

impl Default for Clients {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_CLIENTS)), connected: VecDeque::new() }
    }
}

impl Clients {
    /// A place for a client that is there; it is free when dropped. `None` never comes: nobody closes the semaphore.
    pub(super) async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.connected.retain(|client| !client.task.is_finished());
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        loop {
            self.send_one_away();
            if let Ok(place) = timeout(PAUSE, Arc::clone(&self.places).acquire_owned()).await {
                return place.ok();
            }
        }
    }

    /// The client who has this place is served by this task.
    pub(super) fn connected(&mut self, heard: Heard, task: AbortHandle) {
        self.connected.push_back(Client { since: Instant::now(), heard, task });
    }

    fn send_one_away(&mut self) {
        let silent = self.connected.iter().position(|client| !client.heard.is_set());
        let slow = || self.connected.iter().position(|client| client.since.elapsed() >= READING);
        if let Some(client) = silent.or_else(slow).and_then(|index| self.connected.remove(index)) {
            tracing::debug!("an HTTP client had to go: others wait");
            client.task.abort();
        }
    }
}

//! Waits until a ring has something to read. Reads nothing itself.

use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// The descriptors of both rings; registered with the runtime that first waits for them.
pub(super) struct Wake {
    fresh: Vec<OwnedFd>,
    registered: Vec<AsyncFd<OwnedFd>>,
}

impl Wake {
    pub(super) fn new(rings: [OwnedFd; 2]) -> Self {
        Self { fresh: rings.into(), registered: Vec::new() }
    }

    /// Ends when one of the rings has something; cancel-safe. A ring that cannot be waited for is looked at now and then
    /// nevertheless.
    pub(super) async fn readable(&mut self) {
        for fd in self.fresh.drain(..) {
            // SAFETY: an owned descriptor stays open until it is dropped with the registration.
            match unsafe { AsyncFd::register(fd) } {
                Ok(registered) => self.registered.push(registered),
                Err(error) => {
                    let error = std::io::Error::from(error);
                    tracing::warn!(%error, "a ring cannot be waited for: its events come later");
                }
            }
        }
        let [precious, ordinary] = self.registered.as_slice() else { return std::future::pending().await };
        tokio::select! {
            ready = precious.readable() => drop(ready.map(|mut guard| guard.clear_ready())),
            ready = ordinary.readable() => drop(ready.map(|mut guard| guard.clear_ready())),
        }
    }
}

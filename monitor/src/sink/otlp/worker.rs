//! The task that sends what is due, tries again, and says so once when it cannot. Never decides what is due.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Inner, Own,
    queue::Item,
    record::request,
    retry::{Backoff, MESSAGE_CHARS, Verdict},
    transport::Transport,
};
use crate::model::text::inert_short;

pub(super) struct Worker {
    inner: Arc<Inner>,
    transport: Transport,
    own: Own,
    gather: Duration,
    backoff: Backoff,
    /// The trouble was told; it is told once.
    complained: bool,
}

impl Worker {
    pub(super) fn new(
        inner: Arc<Inner>,
        transport: Transport,
        own: Own,
        gather: Duration,
        retry: Duration,
    ) -> Self {
        Self { inner, transport, own, gather, backoff: Backoff::new(retry), complained: false }
    }

    pub(super) async fn work(mut self) {
        loop {
            let is_last = self.inner.is_stopping.load(Relaxed);
            let (due, waiting) = {
                let queue = self.inner.lock();
                (queue.due(Instant::now(), is_last), queue.waiting())
            };
            if due.is_empty() {
                match (is_last, waiting) {
                    (true, _) => return,
                    (false, 0) => self.inner.changed.notified().await,
                    (false, _) => self.rest(self.gather).await,
                }
                continue;
            }
            let wait = self.send(&due).await;
            match wait {
                None => {}
                // It had its last chance.
                Some(_) if is_last => return,
                Some(wait) => self.rest(wait).await,
            }
        }
    }

    /// Waits, unless the end comes.
    async fn rest(&self, time: Duration) {
        let end = async {
            while !self.inner.is_stopping.load(Relaxed) {
                self.inner.changed.notified().await;
            }
        };
        // Which of both it was does not matter.
        let _ = tokio::time::timeout(time, end).await;
    }

    /// Sends them; how long to wait before they are sent again.
    async fn send(&mut self, items: &[Item]) -> Option<Duration> {
        let now = u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
        let records = items.iter().map(|item| (&*item.sighting, item.why));
        let verdict = self.transport.export(request(&self.own, records, now)).await;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let inner = &self.inner;
        inner.is_up.store(matches!(verdict, Verdict::Accepted { .. }), Relaxed);
        match verdict {
            Verdict::Accepted { rejected, message } => {
                let rejected = rejected.min(count);
                inner.exports.fetch_add(1, Relaxed);
                inner.rejected.fetch_add(rejected, Relaxed);
                inner.accepted.fetch_add(count - rejected, Relaxed);
                self.settle(items);
                if rejected > 0 {
                    let message = inert_short(&message, MESSAGE_CHARS);
                    tracing::warn!(rejected, message, "the OTLP receiver did not take all log records");
                }
                if std::mem::take(&mut self.complained) {
                    tracing::info!("diagnoses reach the OTLP receiver again");
                }
                None
            }
            Verdict::Refused { why } => {
                inner.refusals.fetch_add(1, Relaxed);
                inner.refused.fetch_add(count, Relaxed);
                self.settle(items);
                self.complain(&why, "they are given up, as it would refuse them again");
                None
            }
            Verdict::Again { after, why } => {
                inner.retries.fetch_add(1, Relaxed);
                self.complain(&why, "gomon goes on watching and tries again");
                Some(self.backoff.failed(after, chance()))
            }
        }
    }

    /// The receiver answered: nothing of this waits any longer.
    fn settle(&mut self, items: &[Item]) {
        self.backoff.succeeded();
        self.inner.lock().settle(items, Instant::now());
    }

    fn complain(&mut self, why: &str, what: &str) {
        let why = inert_short(why, MESSAGE_CHARS);
        if std::mem::replace(&mut self.complained, true) {
            tracing::debug!(why, "diagnoses do not reach the OTLP receiver");
        } else {
            tracing::error!(why, "diagnoses do not reach the OTLP receiver: {what}");
        }
    }
}

/// From 0 to 1; each agent has others. Nothing secret comes of it.
fn chance() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(Instant::now()) >> 32).unwrap_or(0);
    f64::from(random) / f64::from(u32::MAX)
}

//! Keeps the memory of answers bounded that clients read slowly, or never.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// A page that somebody still reads is good for others for so long.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// KiB of answers that are on their way, of one listener.
const MAX_KIB: usize = 64 * 1024;

/// The page of metrics, built once for all who ask at the same time: of those that a client holds on to, there are no more
/// than seconds in the life of a connection.
#[derive(Default)]
pub(super) struct Page(Mutex<Option<(Instant, Weak<str>)>>);

impl Page {
    /// The page that is being read, or a new one.
    pub(super) async fn get<E>(&self, build: impl FnOnce() -> Result<String, E>) -> Result<Bytes, E> {
        let mut last = self.0.lock().await;
        let young = last.as_ref().filter(|(built, _)| built.elapsed() < SHARED_FOR);
        if let Some(page) = young.and_then(|(_, page)| page.upgrade()) {
            return Ok(Bytes::from_owner(Text { text: page, _room: None }));
        }
        let page: Arc<str> = build()?.into();
        *last = Some((Instant::now(), Arc::downgrade(&page)));
        Ok(Bytes::from_owner(Text { text: page, _room: None }))
    }
}

/// Room for answers that are made for one client each.
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_KIB)))
    }
}

impl Room {
    /// The text, if there is room for it; its room is free again when it was sent.
    pub(super) fn take(&self, text: String) -> Option<Bytes> {
        let kib = u32::try_from(text.len() / 1024 + 1).ok()?;
        let room = Arc::clone(&self.0).try_acquire_many_owned(kib).ok()?;
        Some(Bytes::from_owner(Text { text, _room: Some(room) }))
    }
}

struct Text<T> {
    text: T,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Text<Arc<str>> {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl AsRef<[u8]> for Text<String> {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(page: &Page, text: &str) -> Bytes {
        page.get(|| Ok::<_, std::convert::Infallible>(text.to_owned())).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_built_once_for_those_who_read_it_at_the_same_time() {
        let page = Page::default();
        let first = get(&page, "1").await;
        let second = get(&page, "2").await;
        assert_eq!((&first[..], &second[..]), (&b"1"[..], &b"1"[..]));
        drop(second);
        tokio::time::advance(SHARED_FOR).await;
        assert_eq!(&get(&page, "3").await[..], b"3", "the one that is still read is old");
        assert_eq!(&get(&page, "4").await[..], b"4", "nobody reads the last one");
        drop(first);
    }

    #[test]
    fn answers_that_nobody_reads_fill_the_room_and_leave_it_when_they_go() {
        let room = Room::default();
        let large = || "x".repeat(MAX_KIB / 2 * 1024);
        let held = room.take(large()).unwrap();
        assert!(room.take(large()).is_none());
        assert!(room.take("small".to_owned()).is_some());
        drop(held);
        assert!(room.take(large()).is_some());
    }
}

//! A read that a hostile process can hold up, done by a thread that is left behind when it takes too long: the command line
//! of a process lies in its memory, and that may be a file that never answers.

use std::{
    fs::File,
    io::Read,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// An honest process is read in microseconds; the thread may wait for a processor.
const WAIT: Duration = Duration::from_secs(2);
/// Threads that are left behind: beyond it nothing is read.
const MAX_LEFT: usize = 8;

static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// At most `limit` bytes of a file; `None` where it cannot be read in time.
pub(super) fn read(file: File, limit: u64) -> Option<Vec<u8>> {
    bounded(WAIT, move || {
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    })
}

fn bounded<T: Send + 'static>(
    wait: Duration,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    if AT_WORK.fetch_add(1, Ordering::Relaxed) >= MAX_LEFT {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let at_work = thread::Builder::new().name("aside".to_owned()).spawn(move || {
        // Nobody may listen any more.
        drop(sender.send(work()));
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    });
    if at_work.is_err() {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    receiver.recv_timeout(wait).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_left_behind() {
        assert_eq!(bounded(Duration::from_mins(1), || Some(7)), Some(7));
        let (release, held) = mpsc::channel::<()>();
        assert_eq!(bounded(Duration::from_millis(1), move || held.recv().ok()), None);
        drop(release);
    }
}

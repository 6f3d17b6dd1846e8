//! Sees to it that an input which never ends, or ends the process, is not lost: it is in a file while it is tried.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// No input may take that long.
const STUCK: Duration = Duration::from_mins(5);

pub(crate) struct Watch {
    last: File,
    started: Instant,
    /// Milliseconds after `started`, or `u64::MAX` between two inputs.
    began: Arc<AtomicU64>,
}

impl Watch {
    pub(crate) fn start(target: &'static str, last: &Path) -> Self {
        let (began, started) = (Arc::new(AtomicU64::new(u64::MAX)), Instant::now());
        let (seen, path) = (Arc::downgrade(&began), PathBuf::from(last));
        thread::spawn(move || {
            while let Some(began) = seen.upgrade() {
                let began = Duration::from_millis(began.load(Ordering::Relaxed));
                if started.elapsed().saturating_sub(began) > STUCK {
                    println!("STUCK {target}: {}", path.display());
                    std::process::exit(1);
                }
                thread::sleep(PAUSE);
            }
        });
        Self { last: File::create(last).unwrap(), started, began }
    }

    pub(crate) fn begin(&mut self, input: &[u8]) {
        self.last.set_len(input.len() as u64).unwrap();
        self.last.write_all_at(input, 0).unwrap();
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or_default();
        self.began.store(now, Ordering::Relaxed);
    }

    pub(crate) fn end(&mut self) {
        self.began.store(u64::MAX, Ordering::Relaxed);
    }
}

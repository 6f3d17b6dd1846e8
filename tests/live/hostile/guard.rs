//! A file of the host that no container may lead gomon to: tells whether anybody has opened it.

use std::{fs, os::fd::OwnedFd, path::PathBuf};

use rustix::fs::inotify;

/// Stands in the file: it would show in what gomon learns.
pub(super) const WORD: &str = "gomon-canary";

/// The file and the watch over it.
pub(super) struct Guarded {
    pub(super) path: PathBuf,
    watch: OwnedFd,
    _dir: tempfile::TempDir,
}

impl Guarded {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("canary");
        fs::write(&path, format!("{WORD}:x:0:0::/:/bin/sh\n")).unwrap();
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, &path, inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS).unwrap();
        Self { path, watch, _dir: dir }
    }

    /// Nobody has opened it. Whoever asks the watch is known to work.
    pub(super) fn is_untouched(&self) {
        let mut buffer = [0; 4096];
        let told = rustix::io::read(&self.watch, &mut buffer);
        assert_eq!(told, Err(rustix::io::Errno::AGAIN), "somebody opened {}", self.path.display());
        fs::read(&self.path).unwrap();
        assert!(rustix::io::read(&self.watch, &mut buffer).is_ok(), "the watch tells nothing");
    }
}

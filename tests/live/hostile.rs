//! Containers that mean harm: nothing in their files leads gomon astray, holds it up or makes it large.

mod files;
mod fuse;
mod guard;
mod roots;
mod silence;
mod steered;

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Running, said, unique, wait_up_to};

/// How long gomon may take for what it gives up after a while, on a busy machine.
const LONG: Duration = Duration::from_mins(2);

fn wait_long<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_up_to(LONG, look).unwrap_or_else(|| panic!("waited {} s in vain for {what}", LONG.as_secs()))
}

/// A cgroup that a process makes which says that it is runc at work with this bundle: a birth, and no more.
struct Claimed(PathBuf);

impl Claimed {
    fn new(id: &str, bundle: &Path) -> Self {
        let tree = PathBuf::from("/sys/fs/cgroup/unified");
        let tree = if tree.exists() { tree } else { PathBuf::from("/sys/fs/cgroup") };
        let home = tree.join(unique("claimed"));
        fs::create_dir(&home).unwrap();
        // mkdir takes every word for a directory to make: the last one is the container's.
        let mut maker = Command::new("mkdir");
        maker.arg0("runc").args(["-p", "--", "run"]).arg(format!("--bundle={}", bundle.display())).arg(id);
        let made = said(maker.current_dir(&home));
        assert_eq!(made.code, Some(0), "{made:?}");
        Self(home)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        said(Command::new("find").arg(&self.0).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]));
    }
}

/// A `gomon record` of this test: all that the engine is told.
struct Recording {
    running: Running,
    dir: tempfile::TempDir,
}

impl Recording {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("recording.jsonl");
        let running = Running::watching(&["record", "--output", file.to_str().unwrap()]);
        Self { running, dir }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.dir.path().join("recording.jsonl")).unwrap_or_default()
    }

    /// What was learned of the container with this id, by the kind of fact; of several the last.
    fn fact(&self, id: &str, kind: &str) -> Option<Value> {
        let text = self.text();
        // The last line may be half written.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let learned = lines.filter_map(|line| line.pointer("/observation/learned").cloned());
        let of_it = learned.filter(|learned| learned["run"]["container"] == id);
        of_it.filter_map(|learned| learned["fact"].get(kind).cloned()).next_back()
    }

    /// The same, awaited.
    fn learns(&self, id: &str, kind: &str) -> Value {
        wait_long(&format!("{kind} of {id} to be told"), || self.fact(id, kind))
    }

    /// What it wrote for people has no sign of a panic.
    fn ends_well(self) {
        let finished = self.running.stop().exits(0);
        quiet(&finished.stderr);
    }
}

/// A log without a panic.
fn quiet(log: &str) {
    assert!(!log.contains("panicked") && !log.contains("an inspection failed"), "{log}");
}

/// The most memory that a process has had, in bytes.
fn most_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

//! Cgroups for the bench: some whose names are containers' ids, so that gomon takes them for containers, and one of the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{poll, tied};

/// What the name of the root begins with; the pid follows.
const ROOT: &str = "gomon-bench-";
const SHORT: usize = 12;
const EMPTY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// A cgroup's directory; removed when dropped, once its processes are gone.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
}

impl Place {
    /// The parent of all others.
    pub(super) fn root() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
        let mount = mount_in(&mounts).context("no cgroup2 is mounted on this machine")?;
        remove_stale(&mount);
        Self::make(mount.join(format!("{ROOT}{}", process::id())))
    }

    /// A container of no runtime.
    pub(super) fn container(&self, number: usize) -> Result<Self> {
        Self::make(self.directory.join(format!("be{number:06x}{:056x}", process::id())))
    }

    /// A cgroup that is no container's.
    pub(super) fn host(&self) -> Result<Self> {
        self.named("host")
    }

    /// The same with another name.
    pub(super) fn named(&self, name: &str) -> Result<Self> {
        Self::make(self.directory.join(name))
    }

    fn make(directory: PathBuf) -> Result<Self> {
        fs::create_dir(&directory)
            .with_context(|| format!("cannot make the cgroup {}", directory.display()))?;
        Ok(Self { directory })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What gomon calls a container without a name: the first digits of its id.
    pub(super) fn short(&self) -> Option<&str> {
        self.directory.file_name()?.to_str()?.get(..SHORT)
    }

    /// A command that starts in this cgroup; its process becomes the program. To be spawned on the main thread.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = tied(Path::new("sh"));
        command.args(["-c", r#"echo 0 > "$0/cgroup.procs" && exec "$@""#]).arg(&self.directory).arg(program);
        command
    }

    /// Moves a process here.
    pub(super) fn adopt(&self, pid: u32) -> Result<()> {
        let procs = self.directory.join("cgroup.procs");
        fs::write(&procs, pid.to_string()).with_context(|| format!("cannot write to {}", procs.display()))
    }

    /// The processor time of all that ever ran here.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let path = self.directory.join("cpu.stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
        Ok(Duration::from_micros(micros.with_context(|| format!("{} has no usage_usec", path.display()))?))
    }
}

/// Removes the empty cgroups of benches that were killed.
fn remove_stale(mount: &Path) {
    for entry in fs::read_dir(mount).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_stale = name.strip_prefix(ROOT).is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_stale {
            for child in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(child.path());
            }
            let _ = fs::remove_dir(entry.path());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        poll(
            EMPTY,
            PAUSE,
            || !matches!(fs::remove_dir(&self.directory), Err(error) if error.raw_os_error() == Some(libc::EBUSY)),
        );
    }
}

/// Where the second version of the control groups is mounted.
fn mount_in(mounts: &str) -> Option<PathBuf> {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(2) == Some(&"cgroup2"))
        .find_map(|fields| fields.get(1).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_version_is_found_beside_the_first() {
        let first = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
        assert_eq!(mount_in(first), None);
        let both = format!("{first}cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
        assert_eq!(mount_in(&both), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }
}

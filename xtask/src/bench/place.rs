//! Cgroups for the bench: some whose names are containers' ids, so that gomon takes them for containers, and one of the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::poll;

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
        Self::make(mount.join(format!("gomon-bench-{}", process::id())))
    }

    /// A container of no runtime.
    pub(super) fn container(&self, number: usize) -> Result<Self> {
        Self::make(self.directory.join(format!("{:016x}{number:048x}", process::id())))
    }

    /// A cgroup that is no container's.
    pub(super) fn host(&self) -> Result<Self> {
        Self::make(self.directory.join("host"))
    }

    fn make(directory: PathBuf) -> Result<Self> {
        fs::create_dir(&directory)
            .with_context(|| format!("cannot make the cgroup {}", directory.display()))?;
        Ok(Self { directory })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
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

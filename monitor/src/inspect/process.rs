//! One process, held by its directory in procfs: what is read of it is never that of another process that got its number
//! later.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::PathBuf,
};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};

use super::host::Host;

/// Of each hierarchy a line, with a path.
const CGROUP_LIMIT_BYTES: u64 = 64 << 10;

/// A process. Every look at it fails once it has ended, also when its number is another's by then.
pub(super) struct Process {
    directory: OwnedFd,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn open(host: &Host, pid: u32) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = host.process(&pid.to_string(), "");
        Ok(Self { directory: openat(CWD, path, flags, Mode::empty())? })
    }

    /// The same, if it is in the cgroup at `cgroup` or below; any where that path is empty.
    pub(super) fn of_cgroup(host: &Host, pid: u32, cgroup: &str) -> io::Result<Self> {
        let process = Self::open(host, pid)?;
        let cgroups = if cgroup.is_empty() { String::new() } else { process.cgroups()? };
        if cgroup.is_empty() || is_in(&cgroups, cgroup) {
            return Ok(process);
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "its number is another process's by now"))
    }

    /// The root directory as it sees it, only named: whatever it lies on is not asked.
    pub(super) fn root(&self) -> io::Result<OwnedFd> {
        Ok(openat(&self.directory, "root", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Where one of its links leads, as it reads there.
    pub(super) fn link(&self, name: &str) -> Option<PathBuf> {
        let target = readlinkat(&self.directory, name, Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// It has not been waited for: until now its number was nobody else's.
    pub(super) fn is_there(&self) -> bool {
        self.file("status").is_ok()
    }

    /// One of its files. The kernel makes the contents.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        Ok(openat(&self.directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// At most `limit` bytes of one of its files.
    pub(super) fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(name)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Its cgroups, one a line as in cgroups(7).
    fn cgroups(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read("cgroup", CGROUP_LIMIT_BYTES)?).into_owned())
    }
}

/// One of the paths goes through the cgroup. Paths begin elsewhere in a cgroup namespace and in other hierarchies: its
/// name, which is a container's own, has to do. A process whose first thread has ended has left the hierarchies of v1 for
/// their roots: of that one nobody can tell.
fn is_in(cgroups: &str, cgroup: &str) -> bool {
    let name = cgroup.rsplit('/').find(|name| !name.is_empty()).unwrap_or_default();
    let paths = || cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths().all(|path| path == "/")
        || paths().flat_map(|path| path.split('/')).any(|component| component == name)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn nothing_is_read_of_a_process_that_has_ended() {
        let host = Host::local().unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::open(&host, child.id()).unwrap();
        assert!(process.read("stat", 4096).is_ok() && process.root().is_ok());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.read("stat", 4096).is_err() && process.root().is_err());
        assert!(Process::open(&host, child.id()).is_err());
    }

    #[test]
    fn a_number_that_is_another_processs_by_now_is_told_by_its_cgroup() {
        let host = Host::local().unwrap();
        let own = std::process::id();
        assert!(Process::of_cgroup(&host, own, "").is_ok());
        let cgroups = "4:memory:/docker/aa/init\n0::/../../docker/aa/init\n";
        assert!(is_in(cgroups, "/docker/aa") && is_in(cgroups, "/docker/aa/init"));
        assert!(!is_in(cgroups, "/docker/bb") && !is_in("0::/user.slice\n", "/docker/aa"));
        assert!(is_in("4:memory:/\n0::/\n", "/docker/aa"));
    }
}

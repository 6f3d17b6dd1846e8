//! The host's own files below a root that can be moved: `/` on the machine itself, `/host` in a pod. Reads only.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2},
    io::Errno,
};

use super::{
    bundle::Bundles,
    elf::Images,
    mounted::{EnterError, MountTable, Tables},
    mounts,
    process::Process,
    walk::{Caution, Located, walk},
};

/// Some dozen hierarchies, each with a path of at most `PATH_MAX`.
const CGROUPS_LIMIT_BYTES: u64 = 256 << 10;

/// Where the host's files are, and where container bundles lie below it.
#[derive(Debug)]
pub struct Host {
    root: OwnedFd,
    proc: PathBuf,
    pub bundles: Bundles,
    pub(super) images: Arc<Images>,
    pub(super) mounted: Arc<MountTable>,
    /// Of other namespaces.
    tables: Arc<Tables>,
    caution: Caution,
    /// The type of the root's file system, if that may never answer.
    unanswering: Option<String>,
}

/// A file of the host that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("cannot open {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not a regular file", path.display())]
    NotRegular { path: PathBuf },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} lies on a file system of type {kind}, which may never answer", path.display())]
    Unanswering { path: PathBuf, kind: String },
}

impl HostError {
    /// The file does not exist.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Open { source, .. } => {
                matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            Self::NotRegular { .. } | Self::TooLarge { .. } | Self::Unanswering { .. } => false,
        }
    }
}

impl Host {
    /// The host whose files lie below `root` and whose processes are in the procfs at `proc`.
    pub fn new(root: &Path, proc: &Path) -> Result<Self, HostError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty()).map_err(|e| open_error(root, e))?;
        Ok(Self {
            root,
            proc: proc.to_owned(),
            bundles: Bundles::default(),
            images: Arc::default(),
            mounted: Arc::new(MountTable::open(File::open("/proc/self/mountinfo"))),
            tables: Arc::default(),
            caution: Caution::Patient,
            unanswering: None,
        })
    }

    /// The machine that gomon itself runs on.
    pub fn local() -> Result<Self, HostError> {
        Self::new(Path::new("/"), Path::new("/proc"))
    }

    /// The same files for whoever cannot wait for any of them.
    pub fn promptly(&self) -> Result<Self, HostError> {
        let again = self.again().map_err(|source| HostError::Open { path: PathBuf::from("/"), source })?;
        Ok(Self { caution: Caution::Prompt, ..again })
    }

    /// The same files for a thread of its own.
    pub(super) fn patiently(self) -> Self {
        Self { caution: Caution::Patient, ..self }
    }

    fn again(&self) -> io::Result<Self> {
        Ok(Self {
            root: self.root.try_clone()?,
            proc: self.proc.clone(),
            bundles: self.bundles.clone(),
            images: Arc::clone(&self.images),
            mounted: Arc::clone(&self.mounted),
            tables: Arc::clone(&self.tables),
            caution: self.caution,
            unanswering: self.unanswering.clone(),
        })
    }

    /// The files as a process in the mount namespace with this number sees them.
    pub(super) fn seen_from(&self, pid: u32, namespace: u64) -> Option<Self> {
        let process = Process::open(self, pid).ok()?;
        let (root, mountinfo) = (process.root().ok()?, process.file("mountinfo"));
        let mounted = self.tables.of(namespace, &root, || MountTable::open(mountinfo));
        let unanswering = mounted.unanswering(&root);
        Some(Self { root, mounted, unanswering, ..self.again().ok()? })
    }

    /// Lets go of what was kept of other mount namespaces for a moment.
    pub fn forget(&self) {
        self.tables.forget();
    }

    pub(super) fn root_stat(&self) -> Option<Stat> {
        self.unanswering.is_none().then(|| fstat(&self.root).ok()).flatten()
    }

    /// The file `name` of a process, by its number or `self`, in the host's procfs.
    pub(super) fn process(&self, process: &str, name: &str) -> PathBuf {
        self.proc.join(process).join(name)
    }

    /// A path that only names the file: nothing is read, no device is opened.
    pub(super) fn locate(&self, path: &Path) -> Result<OwnedFd, HostError> {
        self.find(path).map(|located| located.fd)
    }

    /// The same, with the file system that it lies on.
    pub(super) fn find(&self, path: &Path) -> Result<Located, HostError> {
        if let Some(kind) = self.unanswering.clone() {
            return Err(HostError::Unanswering { path: path.to_owned(), kind });
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        match openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Ok(fd) => Ok(Located { fd, kind: None }),
            Err(Errno::XDEV) => {
                walk(&self.root, &self.mounted, path, self.caution).map_err(|error| match error {
                    EnterError::Os(errno) => open_error(path, errno),
                    EnterError::Unanswering(kind) => HostError::Unanswering { path: path.to_owned(), kind },
                })
            }
            Err(errno) => Err(open_error(path, errno)),
        }
    }

    /// Opens a regular file for reading.
    pub(super) fn open(&self, path: &Path) -> Result<File, HostError> {
        let Located { fd, kind } = self.find(path)?;
        // There a read may wait for an event, or be one.
        if kind.is_some_and(|kind| mounts::is_pseudo(&kind)) {
            return Err(HostError::NotRegular { path: path.to_owned() });
        }
        open_located(&fd, path)
    }

    /// A whole file of at most `limit` bytes.
    pub(super) fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let mut bytes = Vec::new();
        self.open(path)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| HostError::Open { path: path.to_owned(), source })?;
        if bytes.len() as u64 > limit {
            return Err(HostError::TooLarge { path: path.to_owned(), limit });
        }
        Ok(bytes)
    }

    /// Whether a directory can be listed.
    pub(super) fn look_into(&self, path: &Path) -> io::Result<()> {
        let fd = self.locate(path).map_err(|error| match error {
            HostError::Open { source, .. } => source,
            HostError::NotRegular { .. } | HostError::TooLarge { .. } | HostError::Unanswering { .. } => {
                io::ErrorKind::InvalidInput.into()
            }
        })?;
        names(fd.as_fd(), 1).map(drop)
    }

    /// The processes of the host.
    pub(super) fn pids(&self) -> Vec<u32> {
        let entries = std::fs::read_dir(&self.proc).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// At most `limit` threads of a process, in no order; none where it has ended.
    pub(super) fn threads(&self, pid: u32, limit: usize) -> Vec<u32> {
        let entries =
            std::fs::read_dir(self.process(&pid.to_string(), "task")).into_iter().flatten().flatten();
        entries.take(limit).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// At most `limit` bytes of the file `name` of a process, which must not be a link.
    pub(super) fn read_of_process(&self, pid: u32, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        read_at_most(&self.process(&pid.to_string(), name), limit)
    }

    /// The same of gomon itself.
    pub(super) fn read_of_own(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        read_at_most(&self.process("self", name), limit)
    }

    /// The cgroups of a process, one a line as in cgroups(7). Their names may be any bytes.
    pub(super) fn cgroups_of(&self, pid: u32) -> io::Result<String> {
        let bytes = self.read_of_process(pid, "cgroup", CGROUPS_LIMIT_BYTES)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// At most `limit` names in a directory, in no order; none where it cannot be read.
    pub(super) fn names(&self, path: &Path, limit: usize) -> Vec<String> {
        let Ok(fd) = self.locate(path) else { return Vec::new() };
        names(fd.as_fd(), limit).unwrap_or_default()
    }
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// At most `limit` names in a directory that was opened with `O_PATH`.
pub(super) fn names(directory: BorrowedFd<'_>, limit: usize) -> io::Result<Vec<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = openat(directory, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(readable)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
        if names.len() >= limit {
            break;
        }
    }
    Ok(names)
}

/// Reopens what an `O_PATH` descriptor names, if that is a regular file: such an open neither blocks nor has side effects.
pub(super) fn reopen(fd: BorrowedFd<'_>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(openat(CWD, format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty())?))
}

fn open_located(fd: &OwnedFd, path: &Path) -> Result<File, HostError> {
    let stat = fstat(fd).map_err(|e| open_error(path, e))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(HostError::NotRegular { path: path.to_owned() });
    }
    reopen(fd.as_fd()).map_err(|source| HostError::Open { path: path.to_owned(), source })
}

fn open_error(path: &Path, errno: Errno) -> HostError {
    HostError::Open { path: path.to_owned(), source: errno.into() }
}

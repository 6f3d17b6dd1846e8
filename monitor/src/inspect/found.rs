//! What a path inside a container leads to, and how its contents are read: regular files only, never more than a limit.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{FileType, Stat, getxattr},
    io::Errno,
};

use super::host::{names, reopen};
use crate::model::{
    access::{self, User},
    fact::FileKind,
};

/// A path that could be neither found nor proved absent.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("{path} lies on the {kind} mount at {mount}, which gomon cannot look into")]
    Hidden { path: String, kind: String, mount: String },
    #[error("{path}: too many levels of symbolic links")]
    Loop { path: String },
    #[error("cannot open {path} of the container")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a regular file")]
    NotRegular { path: String },
    #[error("{path} is larger than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("the inspection ran out of time")]
    OutOfTime,
}

/// What a path leads to.
pub(super) enum Lookup {
    Found(Found),
    Absent {
        /// The first component that does not exist; for a dangling link its target.
        missing: String,
    },
}

/// A file that exists.
pub(super) struct Found {
    pub(super) fd: Rc<OwnedFd>,
    pub(super) kind: FileKind,
    /// Permission bits.
    pub(super) mode: u32,
    /// User and group as the container sees them.
    pub(super) owner: (u32, u32),
    pub(super) size_bytes: u64,
    pub(super) resolved: PathBuf,
    /// The `noexec` mount that it lies on.
    pub(super) noexec_mount: Option<String>,
    /// The mount, kind and place, where it lies on one such as proc, whose sizes and contents are not what they seem.
    pub(super) pseudo: Option<(String, String)>,
    /// The first directory on the way that the container's user may not search.
    pub(super) closed_directory: Option<(String, u32)>,
}

impl Found {
    /// Opens it for reading, if it is a regular file with contents of its own.
    pub(super) fn open(&self) -> Result<File, LookupError> {
        if self.kind != FileKind::Regular {
            return Err(LookupError::NotRegular { path: lossy(&self.resolved) });
        }
        if let Some((kind, mount)) = self.pseudo.clone() {
            return Err(LookupError::Hidden { path: lossy(&self.resolved), kind, mount });
        }
        reopen(self.fd.as_fd()).map_err(|source| io_error(&self.resolved, source))
    }

    /// The whole contents, if they are no more than `limit` bytes.
    pub(super) fn read(&self, limit: u64) -> Result<Vec<u8>, LookupError> {
        let file = self.open()?;
        let too_large = || LookupError::TooLarge { path: lossy(&self.resolved), limit };
        if self.size_bytes > limit {
            return Err(too_large());
        }
        // In one piece: growth would leave copies of what may be a private key behind.
        let mut bytes = Vec::with_capacity(usize::try_from(self.size_bytes).unwrap_or(0).saturating_add(1));
        let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|source| io_error(&self.resolved, source))?;
        if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
    }

    /// At most `limit` names, if it is a directory.
    pub(super) fn names(&self, limit: usize) -> Result<Vec<String>, LookupError> {
        names(self.fd.as_fd(), limit).map_err(|source| io_error(&self.resolved, source))
    }

    /// An extended attribute of at most `N` bytes; `None` where it has none.
    pub(super) fn attribute<const N: usize>(&self, name: &str) -> Option<Vec<u8>> {
        attribute::<N>(&self.fd, name).ok()
    }

    /// Why this user does not get at it, through the directories above or by its own mode.
    pub(super) fn closed_to(&self, user: &User, bits: u32) -> Option<String> {
        if let Some((closed, mode)) = &self.closed_directory {
            return Some(format!("the directory {closed} has mode {mode:04o}"));
        }
        let (uid, gid) = self.owner;
        (!self.lets(user, bits)).then(|| format!("mode {:04o}, owner {uid}:{gid}", self.mode))
    }

    /// Whether this user gets at the file itself; the directories above are not asked.
    pub(super) fn lets(&self, user: &User, bits: u32) -> bool {
        access::may(user, self.kind, self.mode, self.owner, bits) || has_acl(&self.fd)
    }
}

/// With an access control list the mode alone decides nothing: no claim is made.
pub(super) fn has_acl(fd: &OwnedFd) -> bool {
    match attribute::<256>(fd, "system.posix_acl_access") {
        Ok(_) | Err(Errno::RANGE) => true,
        Err(_) => false,
    }
}

fn attribute<const N: usize>(fd: &OwnedFd, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = [0_u8; N];
    // fgetxattr(2) refuses O_PATH descriptors; the link in procfs leads to the same file.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let length = getxattr(path, name, &mut value)?;
    Ok(value.get(..length).unwrap_or_default().to_vec())
}

pub(super) fn kind_of(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => FileKind::Other,
    }
}

pub(super) fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn io_error(path: &Path, source: io::Error) -> LookupError {
    LookupError::Io { path: lossy(path), source }
}

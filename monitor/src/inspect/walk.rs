//! Walks a path of the host one component at a time, where it leads through more than one file system: into none that may
//! never answer.

use std::{
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    rc::Rc,
};

use rustix::{
    fs::{FileType, fstat, readlinkat},
    io::Errno,
};

use super::mounted::{EnterError, MountTable};

/// `MAXSYMLINKS` of the kernel.
pub(super) const LINK_LIMIT: u32 = 40;
/// A hostile chain of links may not make a walk endless.
pub(super) const COMPONENT_LIMIT: usize = 4096;

/// How long whoever asks can wait for a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caution {
    /// For a thread of its own: what lies on a disk, or on a union of what may lie anywhere.
    Patient,
    /// Not at all: no union either, beyond its top. Anybody may make one of what never answers.
    Prompt,
}

/// A file of the host, as an `O_PATH` descriptor.
pub(super) struct Located {
    pub(super) fd: OwnedFd,
    /// The type of its file system, where that is another than the root's.
    pub(super) kind: Option<String>,
}

struct Step {
    fd: Rc<OwnedFd>,
    kind: Option<String>,
}

/// Where `path` leads below `root`, which nothing leads out of; a link at its end is followed.
pub(super) fn walk(
    root: &OwnedFd,
    mounted: &MountTable,
    path: &Path,
    caution: Caution,
) -> Result<Located, EnterError> {
    let top = root.try_clone().map_err(|_| EnterError::Os(Errno::MFILE))?;
    let mut here = vec![Step { fd: Rc::new(top), kind: None }];
    let mut pending = Vec::new();
    push_components(&mut pending, path.as_os_str().as_bytes());
    let mut links = 0;
    while let Some(name) = pending.pop() {
        let Some(directory) = here.last() else { break };
        match name.as_slice() {
            b"." => continue,
            b".." => {
                here.truncate(here.len().saturating_sub(1).max(1));
                continue;
            }
            _ => {}
        }
        if let Some(kind) = directory.kind.as_deref().filter(|kind| *kind == "overlay")
            && caution == Caution::Prompt
        {
            return Err(EnterError::Unanswering(kind.to_owned()));
        }
        let entered = mounted.enter(&directory.fd, OsStr::from_bytes(&name))?;
        let kind = entered.crossed.or_else(|| directory.kind.clone());
        let stat = fstat(&entered.fd).map_err(EnterError::Os)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            here.push(Step { fd: Rc::new(entered.fd), kind });
            continue;
        }
        links += 1;
        // Links of proc lead where their text does not say.
        if links > LINK_LIMIT || pending.len() > COMPONENT_LIMIT || kind.as_deref() == Some("proc") {
            return Err(EnterError::Os(Errno::LOOP));
        }
        let target = readlinkat(&entered.fd, "", Vec::new()).map_err(EnterError::Os)?.into_bytes();
        if target.starts_with(b"/") {
            here.truncate(1);
        }
        push_components(&mut pending, &target);
    }
    let last = here.pop().and_then(|Step { fd, kind }| Some(Located { fd: Rc::into_inner(fd)?, kind }));
    last.ok_or(EnterError::Os(Errno::NOENT))
}

/// The components of a path, the first on top. A trailing slash asks for a directory, as `.` does.
pub(super) fn push_components(pending: &mut Vec<Vec<u8>>, path: &[u8]) {
    if path.ends_with(b"/") {
        pending.push(b".".to_vec());
    }
    let components = path.split(|&b| b == b'/').filter(|c| !c.is_empty());
    let mut forward: Vec<Vec<u8>> = components.map(<[u8]>::to_vec).collect();
    forward.reverse();
    pending.append(&mut forward);
}

#[cfg(test)]
mod tests;

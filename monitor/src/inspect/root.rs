//! The file tree of a container, walked one component at a time so that nothing in it leads outside. Never blocks on what
//! it finds: devices, pipes and sockets are named, not opened.

use std::{
    ffi::OsStr,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Component, Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use rustix::{
    fs::{FileType, Stat, StatVfsMountFlags, fstat, fstatvfs, readlinkat},
    io::Errno,
};

use super::{
    deadline::Deadline,
    elf::Images,
    found::{Found, Lookup, LookupError, has_acl, io_error, kind_of, lossy},
    host::{Host, HostError},
    mounted::{EnterError, Entered, MountTable},
    mounts::{self, Base, Mounts},
    oci::{Bundle, IdMaps},
    walk::{COMPONENT_LIMIT, LINK_LIMIT, Located, push_components},
};
use crate::model::{
    access::{self, User},
    fact::{FileKind, Mount},
};

/// The file tree of one container, with its mounts and its user.
pub(super) struct ContainerRoot<'h> {
    host: &'h Host,
    top: Step,
    pub(super) mounts: Mounts,
    pub(super) user: User,
    pub(super) cwd: String,
    /// `LD_LIBRARY_PATH` of the configuration.
    pub(super) library_path: String,
    /// The configuration has an `LD_PRELOAD`.
    pub(super) preloads: bool,
    pub(super) no_new_privileges: bool,
    ids: IdMaps,
    /// What is mounted where the tree is looked at.
    mounted: Arc<MountTable>,
    pub(super) deadline: Deadline,
}

/// A file on the way.
#[derive(Clone)]
struct Step {
    path: PathBuf,
    /// `None`: a directory that the runtime will make for a mount below it.
    file: Option<(Rc<OwnedFd>, Stat)>,
    mount: Option<usize>,
    noexec: bool,
    /// The type of the file system, where that was entered on the way and no configuration tells it.
    kind: Option<Rc<str>>,
}

enum Entry {
    There(Step),
    Link(Vec<u8>),
    Missing,
}

enum Walked {
    At(Step, Option<(String, u32)>),
    Missing { at: PathBuf, rest: PathBuf, link_target: Option<PathBuf> },
}

impl<'h> ContainerRoot<'h> {
    /// What is known of ELF files already.
    pub(super) fn images(&self) -> &'h Images {
        &self.host.images
    }

    /// The tree below `top`, an `O_PATH` directory, without mounts yet.
    pub(super) fn new(host: &'h Host, top: OwnedFd, bundle: &Bundle, deadline: Deadline) -> io::Result<Self> {
        let stat = fstat(&top)?;
        let file = Some((Rc::new(top), stat));
        Ok(Self {
            host,
            top: Step { path: PathBuf::from("/"), file, mount: None, noexec: false, kind: None },
            mounts: Mounts::default(),
            user: User::of(&bundle.config),
            cwd: bundle.config.cwd.clone(),
            library_path: bundle.config.env.get("LD_LIBRARY_PATH").cloned().unwrap_or_default(),
            preloads: bundle.config.env.get("LD_PRELOAD").is_some_and(|list| !list.is_empty()),
            no_new_privileges: bundle.config.no_new_privileges,
            ids: bundle.ids.clone(),
            mounted: Arc::clone(&host.mounted),
            deadline,
        })
    }

    /// The mounts of a configuration, each at the place that its destination leads to once the earlier ones are made.
    pub(super) fn mount_configured(&mut self, mounts: &[Mount], directory: &Path) {
        for mount in mounts {
            let destination = self.canonical(Path::new(&mount.destination));
            if destination != Path::new("/") {
                self.mounts.push(mounts::configured(mount, destination, directory));
            }
        }
    }

    /// The mounts of a living process, by the text of its mountinfo and by number.
    pub(super) fn mount_living(&mut self, mountinfo: &str, mounted: MountTable) {
        self.mounts = mounts::of_process(mountinfo);
        self.mounted = Arc::new(mounted);
        let top = self.mounts.at(Path::new("/"), None);
        if let Some((top, point)) = top.and_then(|top| Some((top, self.mounts.get(top)?))) {
            self.top.noexec = point.noexec;
            self.top.mount = Some(top);
        }
    }

    /// Looks up an absolute path; a relative one starts at the container's working directory.
    pub(super) fn look(&self, path: &str) -> Result<Lookup, LookupError> {
        let path = Path::new(&self.cwd).join(path);
        match self.walk(&path)? {
            Walked::Missing { at, link_target, .. } => {
                Ok(Lookup::Absent { missing: lossy(&link_target.unwrap_or(at)) })
            }
            Walked::At(step, closed_directory) => self.found(step, closed_directory),
        }
    }

    /// A whole regular file of at most `limit` bytes; `None` where there is none.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, LookupError> {
        match self.look(path)? {
            Lookup::Absent { .. } => Ok(None),
            Lookup::Found(found) => found.read(limit).map(Some),
        }
    }

    fn found(&self, step: Step, closed_directory: Option<(String, u32)>) -> Result<Lookup, LookupError> {
        let Some((fd, stat)) = step.file else {
            let kind = "not yet made".to_owned();
            return Err(LookupError::Hidden { path: lossy(&step.path), kind, mount: lossy(&step.path) });
        };
        let point = step.mount.and_then(|index| self.mounts.get(index));
        let place = || point.map_or_else(|| "/".to_owned(), |point| lossy(&point.destination));
        let kind = step.kind.as_deref().or(point.map(|point| point.kind.as_str()));
        Ok(Lookup::Found(Found {
            fd,
            kind: kind_of(&stat),
            mode: stat.st_mode & 0o7777,
            owner: self.ids.inside(stat.st_uid, stat.st_gid),
            size_bytes: u64::try_from(stat.st_size).unwrap_or_default(),
            resolved: step.path,
            noexec_mount: step.noexec.then(place),
            pseudo: kind.filter(|kind| mounts::is_pseudo(kind)).map(|kind| (kind.to_owned(), place())),
            closed_directory,
        }))
    }

    /// Where a path leads, as far as it exists; the rest as written.
    fn canonical(&self, path: &Path) -> PathBuf {
        match self.walk(path) {
            Ok(Walked::At(step, _)) => step.path,
            // Joining an empty rest would leave a trailing slash.
            Ok(Walked::Missing { at, rest, .. }) if rest.as_os_str().is_empty() => at,
            Ok(Walked::Missing { at, rest, .. }) => at.join(rest),
            Err(_) => normal(path),
        }
    }

    fn walk(&self, path: &Path) -> Result<Walked, LookupError> {
        let mut pending: Vec<Vec<u8>> = Vec::new();
        push_components(&mut pending, path.as_os_str().as_bytes());
        let mut here = vec![self.top.clone()];
        let mut links = 0;
        let mut closed = None;
        let mut link_target = None;
        while let Some(name) = pending.pop() {
            if self.deadline.passed() {
                return Err(LookupError::OutOfTime);
            }
            let Some(directory) = here.last().cloned() else { break };
            if name == b".." {
                here.truncate(here.len().saturating_sub(1).max(1));
                continue;
            }
            if name == b"." && directory.is_directory() {
                continue;
            }
            let at = directory.path.join(OsStr::from_bytes(&name));
            let entry = if directory.is_directory() {
                closed = closed.or_else(|| self.closed(&directory));
                self.enter(&directory, at.clone())?
            } else {
                Entry::Missing
            };
            match entry {
                Entry::There(step) => here.push(step),
                Entry::Missing => {
                    let rest = pending.iter().rev().map(|n| OsStr::from_bytes(n)).collect();
                    return Ok(Walked::Missing { at, rest, link_target });
                }
                Entry::Link(target) => {
                    links += 1;
                    if links > LINK_LIMIT || pending.len() > COMPONENT_LIMIT {
                        return Err(LookupError::Loop { path: lossy(path) });
                    }
                    let target_path = Path::new(OsStr::from_bytes(&target));
                    if pending.is_empty() {
                        link_target = Some(normal(&directory.path.join(target_path)));
                    }
                    if target_path.is_absolute() {
                        here.truncate(1);
                    }
                    push_components(&mut pending, &target);
                }
            }
        }
        Ok(Walked::At(here.pop().unwrap_or_else(|| self.top.clone()), closed))
    }

    /// One component: never more than a name handed to the kernel, relative to a directory that is held open.
    fn enter(&self, directory: &Step, at: PathBuf) -> Result<Entry, LookupError> {
        let Some(name) = at.file_name() else { return Ok(Entry::There(directory.clone())) };
        let crossed = self.mounts.at(&at, directory.mount);
        if let Some((index, point)) = crossed.and_then(|index| Some((index, self.mounts.get(index)?))) {
            match &point.base {
                Base::Through => {}
                Base::Source { path, keeps_noexec } => return self.cross(path, *keeps_noexec, index, at),
                Base::Hidden => return Err(self.hidden(&at, index)),
            }
        }
        let Some((fd, _)) = &directory.file else { return Ok(self.implied(directory, at)) };
        let Entered { fd: opened, crossed: entered } = match self.mounted.enter(fd, name) {
            Ok(entered) => entered,
            Err(EnterError::Os(Errno::NOENT)) => return Ok(self.implied(directory, at)),
            Err(EnterError::Os(Errno::NOTDIR)) => return Ok(Entry::Missing),
            Err(EnterError::Os(errno)) => return Err(io_error(&at, errno.into())),
            Err(EnterError::Unanswering(kind)) => return Err(unanswering(&at, kind)),
        };
        let stat = fstat(&opened).map_err(|errno| io_error(&at, errno.into()))?;
        let mount = crossed.or(directory.mount);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            // Links of proc lead where their text does not say.
            let on_proc = |index: &usize| self.mounts.get(*index).is_some_and(|point| point.kind == "proc");
            if let Some(index) = mount.filter(on_proc) {
                return Err(self.hidden(&at, index));
            }
            if entered.as_deref().or(directory.kind.as_deref()) == Some("proc") {
                return Err(unanswering(&at, "proc".to_owned()));
            }
            let target = readlinkat(&opened, "", Vec::new()).map_err(|errno| io_error(&at, errno.into()))?;
            return Ok(Entry::Link(target.into_bytes()));
        }
        let noexec = match crossed.and_then(|index| self.mounts.get(index)) {
            Some(point) => point.noexec,
            None => directory.noexec,
        };
        let kind = entered.map(Rc::from).or_else(|| directory.kind.clone());
        Ok(Entry::There(Step { path: at, file: Some((Rc::new(opened), stat)), mount, noexec, kind }))
    }

    /// A name that the tree lacks: still a directory where a mount lies below it, since the runtime will make it.
    fn implied(&self, directory: &Step, at: PathBuf) -> Entry {
        if !self.mounts.below(&at, directory.mount) {
            return Entry::Missing;
        }
        Entry::There(Step { path: at, file: None, ..directory.clone() })
    }

    fn cross(
        &self,
        source: &Path,
        keeps_noexec: bool,
        index: usize,
        at: PathBuf,
    ) -> Result<Entry, LookupError> {
        let Located { fd: opened, kind } = self.host.find(source).map_err(|error| match error {
            HostError::Unanswering { kind, .. } => unanswering(&at, kind),
            error @ (HostError::Open { .. } | HostError::NotRegular { .. } | HostError::TooLarge { .. }) => {
                io_error(&at, io::Error::other(error))
            }
        })?;
        let stat = fstat(&opened).map_err(|errno| io_error(&at, errno.into()))?;
        let source_noexec =
            keeps_noexec && fstatvfs(&opened).is_ok_and(|vfs| vfs.f_flag.contains(StatVfsMountFlags::NOEXEC));
        let noexec = source_noexec || self.mounts.get(index).is_some_and(|point| point.noexec);
        let (file, kind) = (Some((Rc::new(opened), stat)), kind.map(Rc::from));
        Ok(Entry::There(Step { path: at, file, mount: Some(index), noexec, kind }))
    }

    fn hidden(&self, at: &Path, index: usize) -> LookupError {
        let (kind, mount) = match self.mounts.get(index) {
            Some(point) => (point.kind.clone(), lossy(&point.destination)),
            None => (String::new(), String::new()),
        };
        LookupError::Hidden { path: lossy(at), kind, mount }
    }

    /// The directory with its mode, if the container's user may not search it.
    fn closed(&self, directory: &Step) -> Option<(String, u32)> {
        let (fd, stat) = directory.file.as_ref()?;
        let mode = stat.st_mode & 0o7777;
        let owner = self.ids.inside(stat.st_uid, stat.st_gid);
        let open = access::may(&self.user, FileKind::Directory, mode, owner, access::EXECUTE) || has_acl(fd);
        (!open).then(|| (lossy(&directory.path), mode))
    }
}

impl Step {
    fn is_directory(&self) -> bool {
        self.file.as_ref().is_none_or(|(_, stat)| kind_of(stat) == FileKind::Directory)
    }
}

/// A file system that begins at `at` and that gomon stays out of.
fn unanswering(at: &Path, kind: String) -> LookupError {
    LookupError::Hidden { path: lossy(at), kind, mount: lossy(at) }
}

/// Without `.`, `..` and double slashes, as far as the text alone tells.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests;

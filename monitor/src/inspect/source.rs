//! Where a container's file tree can be had: its bundle's root, a living process, the image layers of a dead container.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{fstat, stat},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    },
};

use super::{
    deadline::Deadline,
    host::{Host, HostError, names},
    mounted::MountTable,
    mounts::LIST_LIMIT_BYTES,
    oci::Bundle,
    process::Process,
    root::ContainerRoot,
};

/// A file tree that could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("{} is empty: the container's root file system is not mounted here", path.display())]
    NotMounted { path: PathBuf },
    #[error("cannot open the root of process {pid}")]
    Process {
        pid: u32,
        #[source]
        source: io::Error,
    },
    #[error("process {pid} still runs in the host's root file system")]
    HostRoot { pid: u32 },
    #[error("the root file system is of type {kind}, which may never answer")]
    Unanswering { kind: String },
    #[error("cannot mount the {count} layers of the container read-only")]
    Overlay {
        count: usize,
        #[source]
        source: io::Error,
    },
    #[error("cannot look at the container's root")]
    Root(#[source] io::Error),
}

/// The tree at `root.path`, or at `top` where that was opened before, with the configuration's mounts laid over it.
pub(super) fn of_bundle<'h>(
    host: &'h Host,
    bundle: &Bundle,
    directory: &Path,
    top: Option<OwnedFd>,
    deadline: Deadline,
) -> Result<ContainerRoot<'h>, SourceError> {
    let top = top.map_or_else(|| host.locate(&bundle.root), Ok)?;
    // An unmounted `merged` is an empty directory; to take it for the root would make every file absent.
    if names(top.as_fd(), 1).map_err(SourceError::Root)?.is_empty() {
        return Err(SourceError::NotMounted { path: bundle.root.clone() });
    }
    let mut root = ContainerRoot::new(host, top, bundle, deadline).map_err(SourceError::Root)?;
    root.mount_configured(&bundle.config.mounts, directory);
    Ok(root)
}

/// The tree as a process in the container's cgroup sees it, with all mounts of its namespace.
pub(super) fn of_process<'h>(
    host: &'h Host,
    bundle: &Bundle,
    (pid, cgroup): (u32, &str),
    deadline: Deadline,
) -> Result<ContainerRoot<'h>, SourceError> {
    let failed = |source| SourceError::Process { pid, source };
    let process = Process::of_cgroup(host, pid, cgroup).map_err(failed)?;
    let top = process.root().map_err(failed)?;
    let mounted = MountTable::open(process.file("mountinfo"));
    if let Some(kind) = mounted.unanswering(&top) {
        return Err(SourceError::Unanswering { kind });
    }
    // runc's own stages carry the container's cgroup before they change the root.
    let own = fstat(&top).map_err(|errno| failed(errno.into()))?;
    let hosts = [stat(host.process("1", "root")).ok(), host.root_stat()];
    if hosts.iter().flatten().any(|hosts| (own.st_dev, own.st_ino) == (hosts.st_dev, hosts.st_ino)) {
        return Err(SourceError::HostRoot { pid });
    }
    let mountinfo = process.read("mountinfo", LIST_LIMIT_BYTES).map_err(failed)?;
    let mut root = ContainerRoot::new(host, top, bundle, deadline).map_err(SourceError::Root)?;
    root.mount_living(&String::from_utf8_lossy(&mountinfo), mounted);
    Ok(root)
}

/// The tree that overlayfs makes of these directories, the uppermost first, with the configuration's mounts laid over it.
pub(super) fn of_layers<'h>(
    host: &'h Host,
    bundle: &Bundle,
    layers: &[PathBuf],
    deadline: Deadline,
) -> Result<ContainerRoot<'h>, SourceError> {
    let mut opened = layers.iter().map(|layer| host.locate(layer)).collect::<Result<Vec<_>, _>>()?;
    let top = match opened.pop() {
        Some(only) if opened.is_empty() => only,
        Some(last) => {
            opened.push(last);
            overlay(&opened).map_err(|source| SourceError::Overlay { count: layers.len(), source })?
        }
        None => return Err(SourceError::Root(io::ErrorKind::NotFound.into())),
    };
    let mut root = ContainerRoot::new(host, top, bundle, deadline).map_err(SourceError::Root)?;
    root.mount_configured(&bundle.config.mounts, Path::new("/"));
    Ok(root)
}

/// A detached, read-only overlay mount: it shows in no mount namespace and ends with its descriptor.
fn overlay(layers: &[OwnedFd]) -> io::Result<OwnedFd> {
    let paths = paths(layers);
    overlay_with(|context| one_by_one(context, &paths))
        .or_else(|_| overlay_with(|context| at_once(context, &paths)))
}

/// By descriptor: short, and free of the characters that overlayfs would take for separators.
fn paths(layers: &[OwnedFd]) -> Vec<String> {
    layers.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect()
}

/// Since Linux 6.7.
fn one_by_one(context: &OwnedFd, paths: &[String]) -> rustix::io::Result<()> {
    paths.iter().try_for_each(|path| fsconfig_set_string(context, "lowerdir+", path.as_str()))
}

/// All layers in one value, which the kernel limits to 255 bytes.
fn at_once(context: &OwnedFd, paths: &[String]) -> rustix::io::Result<()> {
    fsconfig_set_string(context, "lowerdir", paths.join(":"))
}

fn overlay_with(layers: impl Fn(&OwnedFd) -> rustix::io::Result<()>) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    layers(&context)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    #[test]
    fn both_ways_to_name_the_layers_give_the_same_tree() {
        let directory = tempfile::tempdir().unwrap();
        let layers = ["a", "b"].map(|name| {
            let path = directory.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join(name), "").unwrap();
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            openat(CWD, &path, flags, Mode::empty()).unwrap()
        });
        let paths = paths(&layers);
        for mount in [overlay_with(|fd| one_by_one(fd, &paths)), overlay_with(|fd| at_once(fd, &paths))] {
            let mut names = names(mount.unwrap().as_fd(), 9).unwrap();
            names.sort();
            assert_eq!(names, ["a", "b"]);
        }
    }
}

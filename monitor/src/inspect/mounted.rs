//! Which file system a mount is of, told by the number of the mount without asking the file system itself: one that a
//! user's process or a remote server answers for may never answer.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};

use super::mounts::{LIST_LIMIT_BYTES, may_hang};

/// What stands for a type that nobody told.
const UNKNOWN: &str = "unknown";

/// A list keeps its namespace, and all that is mounted there, from going: it is not held for longer than this.
const KEEP: Duration = Duration::from_secs(10);
/// Namespaces whose lists are held at once.
const MAX_KEPT: usize = 64;

/// The mounts of one mount namespace.
#[derive(Debug)]
pub(super) struct MountTable(Mutex<Option<Listed>>);

/// The mounts of other namespaces, by the number of the namespace. To read such a list may wait until somebody on the host
/// has done with mounting, and whoever makes a container makes several cgroups in a row.
#[derive(Debug, Default)]
pub(super) struct Tables(Mutex<Vec<(u64, Instant, Arc<MountTable>)>>);

impl Tables {
    /// The list of the namespace with this number, which knows the mount that `root` lies on. `open` reads it anew.
    pub(super) fn of(
        &self,
        namespace: u64,
        root: impl AsFd,
        open: impl FnOnce() -> MountTable,
    ) -> Arc<MountTable> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().filter(|(number, ..)| *number == namespace).map(|(_, _, table)| table);
        // One that was opened by a process with another root directory may lack the mount.
        if let Some(table) = known.into_iter().find(|table| table.kind_of(&root).is_some()) {
            return Arc::clone(table);
        }
        let table = Arc::new(open());
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        kept.push((namespace, Instant::now(), Arc::clone(&table)));
        table
    }

    /// Lets go of those that were held long enough.
    pub(super) fn forget(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since, _)| since.elapsed() < KEEP);
    }
}

#[derive(Debug)]
struct Listed {
    /// Of a process of the namespace: stays readable when the process is gone.
    mountinfo: File,
    /// By the number of the mount.
    kinds: HashMap<u64, String>,
}

/// A name in a directory, as an `O_PATH` descriptor that followed no link.
pub(super) struct Entered {
    pub(super) fd: OwnedFd,
    /// The type of the file system that begins there.
    pub(super) crossed: Option<String>,
}

/// Why a name was not entered.
#[derive(Debug)]
pub(super) enum EnterError {
    Os(Errno),
    /// A file system of this type begins there, which may never answer.
    Unanswering(String),
}

impl MountTable {
    /// The mounts in `mountinfo`, the file of a process in procfs. Where that cannot be read no mount is known, and none is
    /// entered.
    pub(super) fn open(mountinfo: io::Result<File>) -> Self {
        let listed = mountinfo.and_then(Listed::of);
        Self(Mutex::new(listed.ok()))
    }

    /// The type of the file system that an open file lies on; `None` where its mount is not in the list.
    pub(super) fn kind_of(&self, file: impl AsFd) -> Option<String> {
        let number = number_of(file).ok()?;
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = listed.as_mut()?;
        // The open file keeps its mount's number from being given to another: a list without news is right about it.
        if listed.has_news() {
            listed.read().ok()?;
        }
        listed.kinds.get(&number).cloned()
    }

    /// The file at `name`, a single component that is neither `.` nor `..`, in a directory that answers.
    pub(super) fn enter(&self, directory: impl AsFd, name: &OsStr) -> Result<Entered, EnterError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let open = |resolve| openat2(&directory, Path::new(name), flags, Mode::empty(), resolve);
        match open(resolve | ResolveFlags::NO_XDEV) {
            Ok(fd) => Ok(Entered { fd, crossed: None }),
            Err(Errno::XDEV) => {
                // This reaches the root of the other file system, which the kernel has at hand.
                let fd = open(resolve).map_err(EnterError::Os)?;
                let kind = self.kind_of(&fd).unwrap_or_else(|| UNKNOWN.to_owned());
                if kind == UNKNOWN || may_hang(&kind) {
                    return Err(EnterError::Unanswering(kind));
                }
                Ok(Entered { fd, crossed: Some(kind) })
            }
            Err(errno) => Err(EnterError::Os(errno)),
        }
    }

    /// The type of the file system that an open file lies on, if looking into it may hang.
    pub(super) fn unanswering(&self, file: impl AsFd) -> Option<String> {
        match self.kind_of(file) {
            Some(kind) => may_hang(&kind).then_some(kind),
            None => Some(UNKNOWN.to_owned()),
        }
    }
}

impl Listed {
    fn of(mountinfo: File) -> io::Result<Self> {
        let mut listed = Self { mountinfo, kinds: HashMap::new() };
        listed.read()?;
        Ok(listed)
    }

    /// Something was mounted or unmounted since this was asked last, proc(5).
    fn has_news(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut asked = [PollFd::new(&self.mountinfo, PollFlags::PRI)];
        let answer = poll(&mut asked, Some(&now));
        answer.is_err()
            || asked.iter().any(|asked| asked.revents().intersects(PollFlags::PRI | PollFlags::ERR))
    }

    fn read(&mut self) -> io::Result<()> {
        self.kinds.clear();
        self.mountinfo.rewind()?;
        let mut text = Vec::new();
        (&self.mountinfo).take(LIST_LIMIT_BYTES).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        self.kinds.extend(text.lines().filter_map(kind_in));
        Ok(())
    }
}

/// Number and type in a line of mountinfo.
pub(super) fn kind_in(line: &str) -> Option<(u64, String)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let number = mount.split(' ').next()?.parse().ok()?;
    Some((number, filesystem.split(' ').next()?.to_owned()))
}

/// The number of the mount that an open file lies on: statx(2) would ask some file systems, this asks none.
fn number_of(file: impl AsFd) -> io::Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", file.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(path)?;
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    number.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_file_lies_on_the_file_system_that_the_kernel_names() {
        let table = MountTable::open(File::open("/proc/self/mountinfo"));
        let proc = File::open("/proc/self/status").unwrap();
        assert_eq!(table.kind_of(&proc).as_deref(), Some("proc"));
        assert_eq!(table.unanswering(&proc), None);
        let nowhere = rustix::fs::memfd_create("none", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(table.unanswering(&nowhere).as_deref(), Some(UNKNOWN), "its mount is in no list");
    }

    #[test]
    fn the_mounts_of_a_namespace_are_read_once_for_all_who_ask_in_a_row() {
        let (tables, root, opened) = (Tables::default(), File::open("/").unwrap(), Cell::new(0));
        let ask = |namespace, known: bool| {
            tables.of(namespace, &root, || {
                opened.set(opened.get() + 1);
                let list = if known { "/proc/self/mountinfo" } else { "/none" };
                MountTable::open(File::open(list))
            })
        };
        assert!(Arc::ptr_eq(&ask(1, true), &ask(1, true)));
        ask(2, false);
        assert_eq!(ask(2, true).unanswering(&root), None, "a list that lacks the root is no answer");
        assert_eq!(opened.get(), 3);
        tables.forget();
        ask(1, true);
        assert_eq!(opened.get(), 3, "they are held for a moment");
    }

    #[test]
    fn where_the_mounts_are_not_known_none_is_entered() {
        let table = MountTable::open(Err(io::ErrorKind::NotFound.into()));
        let root = File::open("/").unwrap();
        let entered = table.enter(&root, OsStr::new("proc"));
        assert!(matches!(entered, Err(EnterError::Unanswering(kind)) if kind == UNKNOWN));
        assert!(table.enter(&root, OsStr::new("usr")).is_ok(), "it lies on the same file system");
    }

    #[test]
    fn a_line_names_its_type_whatever_its_mount_point_is_called() {
        let line = "604 600 0:54 / /a\\040-\\040nfs rw,relatime shared:7 - fuse.sshfs x rw";
        assert_eq!(kind_in(line), Some((604, "fuse.sshfs".to_owned())));
        assert_eq!(kind_in("604 600 0:54 / /a rw"), None);
    }
}

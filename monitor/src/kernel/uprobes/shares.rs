//! Which containers need the breakpoints of which file: those that run the same one share them. Sets none itself.

use std::{
    collections::{HashMap, HashSet},
    os::fd::AsFd,
    sync::{Arc, Mutex},
};

use rustix::{
    fs::{fstat, fstatfs},
    io,
};

use crate::model::{
    container::Run,
    time::{BootNs, SECOND},
};

/// How long breakpoints outlast the last container that needed them.
const KEEP_NS: u64 = 10 * SECOND;
/// Include/uapi/linux/magic.h.
const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;

/// A file, however it was reached.
///
/// Breakpoints belong to the inode below an overlay, which all containers of an image have in common, while each overlay
/// has a device number of its own. Without that number the times tell files apart: the number of the inode stays the same
/// when the container changes its copy. Elsewhere the device counts: a snapshot of a file system has the same inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    device: Option<u64>,
    inode: u64,
    size_bytes: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl FileId {
    pub(super) fn of(file: &impl AsFd) -> io::Result<Self> {
        let (stat, system) = (fstat(file)?, fstatfs(file)?);
        // The type of the number differs between machines; the magic has 32 bits.
        let is_overlay = u64::try_from(system.f_type).is_ok_and(|kind| kind == OVERLAYFS_SUPER_MAGIC);
        Ok(Self {
            device: (!is_overlay).then_some(stat.st_dev),
            inode: stat.st_ino,
            size_bytes: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        })
    }
}

/// What is set in one file; `None` as long as nothing is.
pub(super) type Slot<T> = Arc<Mutex<Option<T>>>;

/// The files, and the runs that need them: no more than there are runs.
#[derive(Debug)]
pub(super) struct Shares<T> {
    by_file: HashMap<FileId, Share<T>>,
}

#[derive(Debug)]
struct Share<T> {
    slot: Slot<T>,
    runs: HashSet<Run>,
    unused_since: Option<BootNs>,
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { by_file: HashMap::new() }
    }
}

impl<T> Shares<T> {
    /// The run needs what is set in the file.
    pub(super) fn take_part(&mut self, run: &Run, file: FileId) -> Slot<T> {
        let new = || Share { slot: Slot::new(Mutex::new(None)), runs: HashSet::new(), unused_since: None };
        let share = self.by_file.entry(file).or_insert_with(new);
        share.runs.insert(run.clone());
        share.unused_since = None;
        Arc::clone(&share.slot)
    }

    /// The run needs nothing any more.
    pub(super) fn gone(&mut self, run: &Run, at: BootNs) {
        for share in self.by_file.values_mut() {
            if share.runs.remove(run) && share.runs.is_empty() {
                share.unused_since = Some(at);
            }
        }
    }

    /// Takes out what nobody has needed for a while.
    pub(super) fn unused(&mut self, now: BootNs) -> Vec<Slot<T>> {
        let is_unused =
            |share: &mut Share<T>| share.unused_since.is_some_and(|since| now.since(since) >= KEEP_NS);
        self.by_file.extract_if(|_, share| is_unused(share)).map(|(_, share)| share.slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use super::*;
    use crate::model::container::{CgroupId, ContainerId};

    fn run(cgroup: u64) -> Run {
        Run { container: ContainerId("web".into()), cgroup: CgroupId(cgroup) }
    }

    #[test]
    fn what_is_set_in_a_file_outlasts_its_last_container_for_a_moment() {
        let file = FileId::of(&File::open("/proc/self/exe").unwrap()).unwrap();
        let mut shares = Shares::<u8>::default();
        *shares.take_part(&run(1), file).lock().unwrap() = Some(7);
        assert_eq!(*shares.take_part(&run(2), file).lock().unwrap(), Some(7), "set once for both");
        shares.gone(&run(1), BootNs(SECOND));
        assert!(shares.unused(BootNs(60 * SECOND)).is_empty(), "the other still needs it");
        shares.gone(&run(2), BootNs(60 * SECOND));
        assert!(shares.unused(BootNs(61 * SECOND)).is_empty());
        assert_eq!(*shares.take_part(&run(3), file).lock().unwrap(), Some(7), "it came back in time");
        assert!(shares.unused(BootNs(90 * SECOND)).is_empty());
        shares.gone(&run(3), BootNs(90 * SECOND));
        shares.gone(&run(3), BootNs(95 * SECOND));
        assert_eq!(shares.unused(BootNs(100 * SECOND)).len(), 1);
        assert_eq!(*shares.take_part(&run(4), file).lock().unwrap(), None);
    }

    #[test]
    fn a_file_that_changes_is_another_one() {
        let mut file = tempfile::tempfile().unwrap();
        let before = FileId::of(&file).unwrap();
        assert_eq!(FileId::of(&file.try_clone().unwrap()).unwrap(), before);
        file.write_all(b"x").unwrap();
        assert_ne!(FileId::of(&file).unwrap(), before);
    }
}

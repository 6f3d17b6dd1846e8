//! The host's cgroup trees: which hierarchy containers are keyed by, and which cgroups exist now.

use std::{
    collections::HashSet,
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{Mode as RawMode, OFlags, open};
use thiserror::Error;

use crate::model::container::CgroupId;

/// The layouts that exist in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One v2 tree.
    Unified,
    /// v1 controllers beside a v2 tree without controllers: the v2 tree gives the ids.
    Hybrid,
    /// v1 only: the memory hierarchy gives the ids.
    Legacy,
}

/// The hierarchy that containers are keyed by.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    pub mode: Mode,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// `hierarchy_id` of /proc/cgroups; 0 for v2.
    pub id: u32,
    /// The tree itself: it stays in reach when somebody unmounts it, or mounts something over it.
    held: Option<Arc<OwnedFd>>,
}

/// What a walk of the tree has found.
#[derive(Debug, Default)]
pub struct Found {
    pub present: HashSet<CgroupId>,
    pub unknown: Vec<(CgroupId, String)>,
    /// There are more than the limit.
    pub is_cut: bool,
    /// Some lie below a path that is too long for the kernel.
    pub is_too_deep: bool,
}

/// All paths of a walk that are kept at once.
const MAX_PATH_BYTES: usize = 16 << 20;

/// Why no hierarchy can be used.
#[derive(Debug, Error)]
pub enum CgroupError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error(
        "no cgroup hierarchy is mounted: neither cgroup2 nor the v1 memory controller is in /proc/self/mounts. \
         Mount cgroup2 at /sys/fs/cgroup; in a container mount the host's there"
    )]
    None,
}

impl Hierarchy {
    /// Finds it from the host's mounts. `force_v1` picks the v1 memory hierarchy where both exist.
    pub fn of_host(proc: &Path, force_v1: bool) -> Result<Self, CgroupError> {
        let read = |path: PathBuf| {
            fs::read_to_string(&path)
                .map_err(|source| CgroupError::Read { path: path.display().to_string(), source })
        };
        let mounts = read(proc.join("self/mounts"))?;
        let cgroups = read(proc.join("cgroups")).unwrap_or_default();
        let found = Self::from_text(&mounts, &cgroups, force_v1).ok_or(CgroupError::None)?;
        found.hold().map_err(|source| CgroupError::Read { path: found.mount.display().to_string(), source })
    }

    fn hold(&self) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let tree = open(&self.mount, flags, RawMode::empty())?;
        Ok(Self { held: Some(Arc::new(tree)), ..self.clone() })
    }

    /// Where its files are to be had. The dot makes a directory of what would be a link.
    fn root(&self) -> PathBuf {
        let held = self.held.as_ref().map(|tree| format!("/proc/self/fd/{}/.", tree.as_raw_fd()));
        held.map_or_else(|| self.mount.clone(), PathBuf::from)
    }

    /// Decides from the texts of /proc/self/mounts and /proc/cgroups.
    pub fn from_text(mounts: &str, cgroups: &str, force_v1: bool) -> Option<Self> {
        let mount_of = |wanted: &dyn Fn(&str, &str) -> bool| {
            mounts.lines().find_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
                wanted(kind, options).then(|| PathBuf::from(path.replace("\\040", " ")))
            })
        };
        let v2 = mount_of(&|kind, _| kind == "cgroup2");
        let memory = mount_of(&|kind, options| kind == "cgroup" && options.split(',').any(|o| o == "memory"));
        let memory_id = cgroups.lines().find_map(|line| {
            let mut fields = line.split('\t');
            (fields.next()? == "memory").then(|| fields.next()?.parse().ok())?
        });
        match (v2, memory) {
            (Some(mount), Some(_)) if !force_v1 => {
                Some(Self { mode: Mode::Hybrid, mount, id: 0, held: None })
            }
            (Some(mount), None) => Some(Self { mode: Mode::Unified, mount, id: 0, held: None }),
            (_, Some(mount)) => Some(Self { mode: Mode::Legacy, mount, id: memory_id?, held: None }),
            (None, None) => None,
        }
    }

    pub fn is_v1(&self) -> bool {
        self.mode == Mode::Legacy
    }

    /// All cgroups that exist now; of those that `is_known` does not know the paths below the mount, too. Bounded by
    /// `limit`; a directory that vanishes meanwhile is left out.
    pub fn scan(&self, limit: usize, is_known: impl Fn(CgroupId) -> bool) -> Found {
        let mut found = Found::default();
        let root = self.root();
        let mut waiting = vec![root.clone()];
        // Of the paths that wait and of those that were found.
        let mut bytes = 0;
        while let Some(directory) = waiting.pop() {
            if found.present.len() >= limit || bytes > MAX_PATH_BYTES {
                found.is_cut = true;
                break;
            }
            let metadata = match fs::symlink_metadata(&directory) {
                Ok(metadata) => metadata,
                Err(error) => {
                    found.is_too_deep |= error.kind() == io::ErrorKind::InvalidFilename;
                    continue;
                }
            };
            let cgroup = CgroupId(metadata.ino());
            found.present.insert(cgroup);
            let is_news = !is_known(cgroup);
            if is_news {
                found.unknown.push((cgroup, path_below(&root, &directory)));
            } else {
                bytes = bytes.saturating_sub(directory.as_os_str().len());
            }
            for below in directories(&directory).take(limit.saturating_sub(waiting.len())) {
                bytes += below.as_os_str().len();
                waiting.push(below);
            }
        }
        found
    }

    /// The processes of a cgroup, in the host's pid namespace; of one that has none of its own those of the first cgroup
    /// below it that has some. On v2 only the lowest ones have any where controllers are handed down.
    pub fn processes(&self, path: &str) -> Vec<u32> {
        const LOOKED_AT: usize = 64;
        let mut waiting = vec![self.root().join(path.trim_start_matches('/'))];
        for _ in 0..LOOKED_AT {
            let Some(directory) = waiting.pop() else { break };
            let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            let found: Vec<u32> = listed.lines().filter_map(|line| line.parse().ok()).collect();
            if !found.is_empty() {
                return found;
            }
            waiting.extend(directories(&directory));
        }
        Vec::new()
    }
}

/// `/` for the root, else the path with a leading slash.
fn path_below(root: &Path, directory: &Path) -> String {
    let below = directory.strip_prefix(root).unwrap_or(directory);
    format!("/{}", below.display())
}

fn directories(parent: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
    const HYBRID: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
    const V1: &str = "cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0\n";
    const CGROUPS: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t1\t1\nmemory\t7\t9\t1\n";

    fn tree(directories: &[String]) -> (tempfile::TempDir, Hierarchy) {
        let dir = tempfile::tempdir().unwrap();
        for directory in directories {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        let hierarchy = Hierarchy { mode: Mode::Unified, mount: dir.path().to_owned(), id: 0, held: None };
        (dir, hierarchy)
    }

    #[test]
    fn a_walk_tells_the_paths_of_what_is_new_alone() {
        let (_dir, hierarchy) = tree(&["a/b".to_owned(), "c".to_owned()]);
        let all = hierarchy.scan(100, |_| false);
        let mut paths: Vec<&str> = all.unknown.iter().map(|(_, path)| path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/", "/a", "/a/b", "/c"]);
        let again = hierarchy.scan(100, |cgroup| all.present.contains(&cgroup));
        assert_eq!((again.present, again.unknown, again.is_cut), (all.present, Vec::new(), false));
    }

    #[test]
    fn a_walk_of_a_tree_without_end_ends_and_says_so() {
        let wide: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let (_dir, hierarchy) = tree(&wide);
        let found = hierarchy.scan(20, |_| false);
        assert_eq!((found.present.len(), found.is_cut), (20, true));
    }

    #[test]
    fn each_layout_gives_one_hierarchy_of_container_ids() {
        let of = |mounts, force| Hierarchy::from_text(mounts, CGROUPS, force).map(|h| (h.mode, h.id));
        assert_eq!(of(V2, false), Some((Mode::Unified, 0)));
        assert_eq!(of(HYBRID, false), Some((Mode::Hybrid, 0)));
        assert_eq!(of(HYBRID, true), Some((Mode::Legacy, 7)));
        assert_eq!(of(V1, false), Some((Mode::Legacy, 7)));
        assert_eq!(of("proc /proc proc rw 0 0\n", false), None);
    }

    #[test]
    fn a_tree_that_is_no_longer_where_it_was_is_still_seen() {
        let directory = tempfile::tempdir().unwrap();
        let mount = directory.path().join("cgroup");
        fs::create_dir_all(mount.join("a/b")).unwrap();
        fs::write(mount.join("a/b/cgroup.procs"), "7\n8\n").unwrap();
        let tree = Hierarchy { mode: Mode::Unified, mount: mount.clone(), id: 0, held: None }.hold().unwrap();
        let root = fs::metadata(&mount).unwrap().ino();
        fs::rename(&mount, directory.path().join("elsewhere")).unwrap();
        fs::create_dir(&mount).unwrap();
        let Found { mut unknown, is_cut, .. } = tree.scan(10, |_| false);
        unknown.sort_by(|(_, one), (_, other)| one.cmp(other));
        let paths: Vec<&str> = unknown.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!((paths.as_slice(), is_cut), (&["/", "/a", "/a/b"][..], false));
        assert_eq!(unknown[0].0, CgroupId(root));
        assert_eq!(tree.processes("/a"), [7, 8]);
    }
}

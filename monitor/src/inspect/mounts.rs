//! What is mounted where inside a container: from its configuration before it runs, from mountinfo while it does. Pure.

use std::path::{Path, PathBuf};

use crate::model::fact::Mount;

/// The list of mounts of one namespace; the kernel's own limit for their number would make it ten times as long.
pub(super) const LIST_LIMIT_BYTES: u64 = 16 << 20;

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountPoint {
    /// Absolute, without symbolic links.
    pub(super) destination: PathBuf,
    /// `bind`, or the file system's type.
    pub(super) kind: String,
    pub(super) noexec: bool,
    pub(super) base: Base,
}

/// Where the files below a mount are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// The kernel goes through by itself: it is mounted where gomon looks.
    Through,
    /// At this path of the host.
    Source { path: PathBuf, keeps_noexec: bool },
    /// Nowhere that gomon may or can look.
    Hidden,
}

/// A container's mounts in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub(super) struct Mounts {
    points: Vec<MountPoint>,
}

impl Mounts {
    pub(super) fn push(&mut self, point: MountPoint) {
        self.points.push(point);
    }

    pub(super) fn get(&self, index: usize) -> Option<&MountPoint> {
        self.points.get(index)
    }

    /// The mount that shows at exactly this path, below the mount `covering`: a later mount hides earlier ones.
    pub(super) fn at(&self, path: &Path, covering: Option<usize>) -> Option<usize> {
        self.after(covering).rfind(|(_, point)| point.destination == path).map(|(index, _)| index)
    }

    /// Something is mounted somewhere below this path.
    pub(super) fn below(&self, path: &Path, covering: Option<usize>) -> bool {
        self.after(covering).any(|(_, point)| point.destination.starts_with(path))
    }

    fn after(&self, covering: Option<usize>) -> impl DoubleEndedIterator<Item = (usize, &MountPoint)> {
        let first = covering.map_or(0, |index| index.saturating_add(1));
        self.points.iter().enumerate().skip(first)
    }
}

/// A mount of config.json, at `destination` with its symbolic links resolved.
pub(super) fn configured(mount: &Mount, destination: PathBuf, bundle: &Path) -> MountPoint {
    let has = |option: &str| mount.options.iter().any(|o| o == option);
    let base = if mount.kind == "bind" {
        // runc remounts a bind mount that has any flag of its own, and that drops the flags of its source.
        let remounted = ["ro", "nosuid", "nodev", "exec", "suid", "dev"].iter().any(|option| has(option));
        Base::Source { path: bundle.join(&mount.source), keeps_noexec: !remounted }
    } else {
        Base::Hidden
    };
    MountPoint { destination, kind: mount.kind.clone(), noexec: has("noexec"), base }
}

/// The mounts in the text of `/proc/PID/mountinfo`, proc(5). Lines that do not parse are left out.
pub(super) fn of_process(mountinfo: &str) -> Mounts {
    Mounts { points: mountinfo.lines().filter_map(parse_line).collect() }
}

fn parse_line(line: &str) -> Option<MountPoint> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(4);
    let destination = PathBuf::from(unescape(fields.next()?));
    let options = fields.next()?;
    let kind = filesystem.split(' ').next()?.to_owned();
    let base = if may_hang(&kind) { Base::Hidden } else { Base::Through };
    Some(MountPoint { destination, noexec: options.split(',').any(|option| option == "noexec"), kind, base })
}

/// A file system that a remote server or a user's process answers for, and may never answer.
pub(super) fn may_hang(kind: &str) -> bool {
    const REMOTE: [&str; 12] = [
        "9p",
        "afs",
        "autofs",
        "ceph",
        "cifs",
        "coda",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
    ];
    kind.starts_with("fuse") || REMOTE.contains(&kind)
}

/// A file system whose files are not what stat(2) says of them: sizes are zero and contents made on the spot.
pub(super) fn is_pseudo(kind: &str) -> bool {
    const PSEUDO: [&str; 13] = [
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "efivarfs",
        "mqueue",
        "proc",
        "pstore",
        "securityfs",
        "sysfs",
        "tracefs",
    ];
    PSEUDO.contains(&kind)
}

/// Spaces, tabs, line feeds and backslashes stand as three octal digits in mountinfo.
pub(super) fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_at_checked(3).and_then(|(d, rest)| Some((u8::from_str_radix(d, 8).ok()?, rest))) {
            Some((byte, rest)) => {
                out.push(char::from(byte));
                out.push_str(rest);
            }
            None => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
600 500 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l
601 600 0:51 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
602 600 0:52 /x /with\\040space rw,noexec master:1 - ext4 /dev/vda rw
603 600 0:53 / /net rw - nfs4 server:/x rw
604 600 0:54 / /fuse rw - fuse.sshfs x rw
";

    #[test]
    fn mountinfo_says_what_is_mounted_and_how() {
        let mounts = of_process(MOUNTINFO);
        let point = |path: &str| mounts.get(mounts.at(Path::new(path), None).unwrap()).unwrap();
        assert!(point("/with space").noexec && !point("/").noexec);
        assert_eq!((&point("/net").base, &point("/fuse").base), (&Base::Hidden, &Base::Hidden));
        assert_eq!(point("/proc").base, Base::Through);
    }

    #[test]
    fn a_later_mount_hides_an_earlier_one_below_it() {
        let mut mounts = Mounts::default();
        for destination in ["/a/b", "/a", "/a/c"] {
            let mount = Mount { destination: destination.into(), kind: "tmpfs".into(), ..Mount::default() };
            mounts.push(configured(&mount, destination.into(), Path::new("/")));
        }
        assert_eq!(mounts.at(Path::new("/a"), None), Some(1));
        assert_eq!(mounts.at(Path::new("/a/b"), Some(1)), None);
        assert_eq!(mounts.at(Path::new("/a/c"), Some(1)), Some(2));
        assert!(mounts.below(Path::new("/a"), Some(1)) && !mounts.below(Path::new("/b"), None));
    }
}

//! Paths that lead through other file systems, made of mounts that exist on every machine.

use std::{fs::File, os::unix::fs::symlink};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::*;
use crate::inspect::host::Host;

fn opened(path: &str) -> OwnedFd {
    openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn table() -> MountTable {
    MountTable::open(File::open("/proc/self/mountinfo"))
}

#[test]
fn a_path_through_another_file_system_leads_to_its_file() {
    let (root, table) = (opened("/"), table());
    let found = walk(&root, &table, Path::new("/proc/./../proc/version"), Caution::Prompt);
    let found = found.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(found.kind.as_deref(), Some("proc"));
    let dir = tempfile::tempdir().unwrap();
    symlink("/proc/version", dir.path().join("link")).unwrap();
    symlink("../../../../../../proc/version", dir.path().join("climb")).unwrap();
    for name in ["link", "climb"] {
        let found = walk(&root, &table, &dir.path().join(name), Caution::Patient);
        assert_eq!(found.unwrap_or_else(|error| panic!("{error:?}")).kind.as_deref(), Some("proc"), "{name}");
    }
}

#[test]
fn links_of_proc_and_loops_lead_nowhere() {
    let (root, table) = (opened("/"), table());
    let dir = tempfile::tempdir().unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    for path in
        [Path::new("/proc/1/root/etc/passwd"), Path::new("/proc/self/status"), &dir.path().join("loop/x")]
    {
        let error = walk(&root, &table, path, Caution::Patient).err();
        assert!(matches!(error, Some(EnterError::Os(Errno::LOOP))), "{path:?}: {error:?}");
    }
}

#[test]
fn what_is_missing_is_absent_and_a_file_is_no_directory() {
    let (root, table) = (opened("/"), table());
    for (path, errno) in [("/proc/none", Errno::NOENT), ("/proc/version/x", Errno::NOTDIR)] {
        let error = walk(&root, &table, Path::new(path), Caution::Patient).err();
        assert!(matches!(error, Some(EnterError::Os(found)) if found == errno), "{path}: {error:?}");
    }
}

#[test]
fn a_host_below_another_root_is_walked_within_that_root() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    std::fs::write(dir.path().join("etc/name"), "inside").unwrap();
    symlink("/etc/name", dir.path().join("link")).unwrap();
    let host = Host::new(dir.path(), Path::new("/proc")).unwrap();
    assert_eq!(host.read(Path::new("/../link"), 99).unwrap(), b"inside");
}

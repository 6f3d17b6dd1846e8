//! Who cannot write, why, and how much it matters.

use monitor_common::path::PathClass;

use crate::{
    model::{
        container::CgroupId,
        diagnosis::{Confidence, Severity},
        errno::Errno,
        event::{EventKind, SignalOutcome, Task},
        fact::{Config, FileKind, Mount},
        signal::Signal,
    },
    patterns::testing::{Found, Story},
};

fn read_only() -> Config {
    Config { readonly_root: true, ..Config::default() }
}

fn severity(found: &[Found]) -> Option<Severity> {
    found.iter().filter(|one| one.0 == "read-only-filesystem").map(|one| one.1).max()
}

fn subjects(found: &[Found]) -> Vec<&str> {
    found.iter().filter(|one| one.0 == "read-only-filesystem").map(|one| one.3.as_str()).collect()
}

fn erofs(story: Story, path: &str) -> Story {
    story.cannot_write(path, PathClass::Other, Errno::EROFS)
}

#[test]
fn a_go_program_that_goes_on_is_warned_of_and_one_that_ends_by_it_is_an_error() {
    let story = || erofs(Story::of(read_only(), true), "/data/x");
    assert_eq!(severity(&story().found()), Some(Severity::Warning));
    assert_eq!(severity(&story().exits(1).found()), Some(Severity::Error));
    assert_eq!(severity(&story().waits(5000).exits(0).found()), Some(Severity::Warning), "long after");
    assert_eq!(severity(&story().waits(5000).exits(1).found()), Some(Severity::Warning), "much later");
}

#[test]
fn a_go_program_that_ends_well_at_once_did_without() {
    let found = erofs(Story::of(read_only(), true), "/data/x").exits(0).found();
    assert_eq!(severity(&found), Some(Severity::Info));
}

#[test]
fn a_tool_that_probes_is_a_remark_unless_the_container_ends_by_it() {
    let story = || erofs(Story::of(read_only(), false).child(false), "/x").exits(1).first();
    assert_eq!(severity(&story().waits(5000).exits(0).found()), Some(Severity::Info));
    assert_eq!(severity(&story().exits(2).found()), Some(Severity::Error));
}

#[test]
fn who_was_asked_to_end_did_not_end_because_of_a_refusal() {
    let task = |pid| Task { pid, tid: pid, ns_pid: 1, comm: "x".into() };
    let term = EventKind::SignalSent {
        signal: Signal::TERM,
        code: 0,
        target: task(70),
        sender_cgroup: CgroupId(9),
        outcome: SignalOutcome::Delivered,
        syscall: None,
    };
    let found = erofs(Story::of(read_only(), true), "/data/x").happens(term).exits(2).found();
    assert_eq!(severity(&found), Some(Severity::Warning));
}

#[test]
fn many_files_of_a_directory_are_one_finding_and_procfs_is_none() {
    let mut story = Story::of(read_only(), true);
    for path in ["/data/a", "/data//b", "/data/x/../c", "/proc/sys/kernel/x", "/sys/x", "/dev/x", "/log/a"] {
        story = erofs(story, path);
    }
    let found = story.refuses("mkdirat", "/data/d", Errno::EROFS).found();
    assert_eq!(
        subjects(&found),
        ["/data: read-only-root", "/log: read-only-root", "/data/d: read-only-root"],
        "a directory that was to be made needs a place of its own"
    );
}

#[test]
fn a_path_relative_to_a_directory_that_is_held_open_is_nobody_knows_where() {
    let elsewhere = EventKind::SyscallRefused {
        syscall: "unlinkat".into(),
        result: crate::model::event::Refusal::Errno(Errno::EROFS),
        arguments: [5, 0, 0],
        about: Some(crate::model::event::RefusedAbout::Path("x".into())),
    };
    assert!(Story::of(read_only(), true).happens(elsewhere).found().is_empty());
    let relative = erofs(Story::of(Config { cwd: "/srv".into(), ..read_only() }, true), "x").found();
    assert_eq!((relative[0].2, relative[0].3.as_str()), (Confidence::High, "/srv: read-only-root"));
}

#[test]
fn only_a_mount_or_the_root_that_is_read_only_explains_erofs() {
    let mounted = |options: &[&str], kind: &str| {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mount = Mount { destination: "/data".into(), kind: kind.into(), source: "/srv".into(), options };
        let config = Config { mounts: vec![mount], ..Config::default() };
        erofs(Story::of(config, true), "/data/x").found()
    };
    let found = mounted(&["rbind", "ro"], "bind");
    assert_eq!((found[0].2, found[0].3.as_str()), (Confidence::Certain, "/data: read-only-mount"));
    assert_eq!(mounted(&["rbind"], "bind")[0].2, Confidence::Medium);
    assert!(mounted(&["nosuid"], "tmpfs").is_empty());
    assert!(erofs(Story::of(Config::default(), true), "/data/x").found().is_empty());
}

#[test]
fn a_missing_tmp_is_told_from_a_missing_directory_below_it() {
    let story = |path| {
        let story = Story::of(Config::default(), true);
        story.cannot_write(path, PathClass::Temporary, Errno::ENOENT)
    };
    assert_eq!(subjects(&story("/tmp/x").absent("/tmp").absent("/tmp/x").found()), ["/tmp: no-tmp"]);
    assert!(story("/tmp/a/x").absent("/tmp/a").absent("/tmp/a/x").found().is_empty());
    assert!(story("/tmp/x").found().is_empty(), "nobody knows whether it is there");
}

#[test]
fn a_mode_explains_eacces_only_if_it_forbids_it_to_the_user() {
    let story = |uid, mode| {
        Story::of(Config { uid, gid: uid, ..Config::default() }, true)
            .cannot_write("/data/x", PathClass::Other, Errno::EACCES)
            .present("/data", FileKind::Directory, mode)
            .absent("/data/x")
            .found()
    };
    assert_eq!(subjects(&story(1000, 0o755)), ["/data: mode"]);
    assert!(story(1000, 0o777).is_empty());
    assert!(story(0, 0o755).is_empty());
    let make = Story::of(Config { uid: 1000, gid: 0, ..Config::default() }, true)
        .refuses("mkdirat", "/data/cache", Errno::EACCES)
        .present("/data", FileKind::Directory, 0o755)
        .absent("/data/cache");
    assert_eq!(subjects(&make.found()), ["/data: mode"]);
}

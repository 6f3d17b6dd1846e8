//! Files that never answer: gomon goes round them, and where it cannot know that it waits for nobody.

use std::{
    ffi::CString,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::symlink},
    },
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    mount::{MountFlags, UnmountFlags, mount, unmount},
};
use serde_json::json;

use super::{
    Claimed, Recording, quiet,
    silence::{Silence, threads},
    wait_long,
};
use crate::{
    runtimes::oci::{Bundle, Oci, root},
    support::{Agent, said, skip, unique},
};

const GLIBC: &str = "/app/probe.glibc";

/// A container of the root that all share fails and is named.
fn another_fails(runc: &Oci, agent: &Agent) {
    let bundle = Bundle::new(&unique("other"), &[GLIBC]);
    assert_ne!(runc.run(&bundle).code, Some(0));
    let found = wait_long("the diagnosis of another container", || agent.diagnoses(&bundle.id).pop());
    assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
}

#[test]
fn a_file_system_that_never_answers_is_never_asked() {
    let Some(runc) = Oci::new("runc") else { return skip("silent files", "runc is not installed") };
    let (agent, recording) = (Agent::start(), Recording::start());
    // Goes before those that may wait for it.
    let Some(silence) = Silence::mount() else { return skip("silent files", "FUSE cannot be mounted here") };
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    symlink(silence.path(), &link).unwrap();
    let silent = silence.path().display().to_string();
    let bind = |at: &str, source: &Path| json!({"destination": at, "type": "bind", "source": source});
    let bundles = [
        Bundle::new(&unique("silent-root"), &[GLIBC])
            .with(|config| config["root"]["path"] = format!("{silent}/rootfs").into()),
        Bundle::new(&unique("silent-mount"), &[GLIBC]).with(|config| {
            config["mounts"] = json!([bind("/app", &link), bind("/etc", &silence.path().join("etc"))]);
        }),
    ];
    let mut claims: Vec<Claimed> =
        bundles.iter().map(|bundle| Claimed::new(&bundle.id, bundle.path())).collect();
    // The bundle itself does not answer, by its own path and by that of a link.
    for path in [silence.path().join("bundle"), link.join("bundle")] {
        claims.push(Claimed::new(&unique("silent-bundle"), &path));
    }
    another_fails(&runc, &agent);
    for bundle in &bundles {
        let entrypoint = recording.learns(&bundle.id, "entrypoint").to_string();
        assert!(entrypoint.contains("fuse"), "{entrypoint}");
    }
    let threads: Vec<u32> = [agent.pid(), recording.running.pid()].into_iter().flat_map(threads).collect();
    let asked: Vec<u32> = silence.askers().into_iter().filter(|asker| threads.contains(asker)).collect();
    assert!(asked.is_empty(), "gomon waits for an answer in {asked:?}");
    recording.ends_well();
    quiet(&agent.stop().exits(0).stderr);
    drop(claims);
}

#[test]
fn a_look_that_does_not_come_back_holds_up_neither_other_containers_nor_the_end() {
    let Some(runc) = Oci::new("runc") else { return skip("looks that hang", "runc is not installed") };
    let agent = Agent::start();
    let Some(gate) = Gate::closed_to(agent.pid()) else {
        return skip("looks that hang", "fanotify cannot hold an open back here");
    };
    let bundle = Bundle::new(&unique("hanging"), &[GLIBC])
        .with(|config| config["root"]["path"] = gate.path().to_str().unwrap().into());
    let claimed = Claimed::new(&bundle.id, bundle.path());
    wait_long("the look to hang", || {
        (agent.metrics().sum("gomon_inspections_stuck", &[]) >= Some(1.0)).then_some(())
    });
    another_fails(&runc, &agent);
    wait_long("the look to be given up", || {
        agent
            .metrics()
            .sum("gomon_inspections_total", &[("result", "timed_out")])
            .filter(|&count| count >= 1.0)
    });
    assert!(agent.log().contains("did not answer within"), "{}", agent.log());
    another_fails(&runc, &agent);
    quiet(&agent.stop().exits(0).stderr);
    drop((claimed, gate));
}

/// A file system on which one process waits for whatever it opens, without end.
struct Gate {
    dir: tempfile::TempDir,
    is_over: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Gate {
    fn closed_to(pid: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        mount("gomon", dir.path(), "tmpfs", MountFlags::empty(), c"").unwrap();
        let mut gate = Self { dir, is_over: Arc::default(), keeper: None };
        let copied = said(Command::new("cp").arg("-a").arg(root().join(".")).arg(gate.path()));
        assert_eq!(copied.code, Some(0), "{copied:?}");
        let (events, is_over) = (opens_below(gate.path())?, Arc::clone(&gate.is_over));
        gate.keeper = Some(thread::spawn(move || keep(&events, i32::try_from(pid).unwrap(), &is_over)));
        Some(gate)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // With the group closed all that wait go on.
        let _ = self.keeper.take().map(JoinHandle::join);
        let _ = unmount(self.dir.path(), UnmountFlags::DETACH);
    }
}

/// Asked before anything below the mount at `path` is opened, fanotify(7).
fn opens_below(path: &Path) -> Option<OwnedFd> {
    let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
    // SAFETY: no memory is handed over.
    let group = unsafe { libc::fanotify_init(flags, libc::O_RDONLY.cast_unsigned()) };
    if group < 0 {
        return None;
    }
    // SAFETY: the kernel has just given this descriptor to us alone.
    let group = unsafe { OwnedFd::from_raw_fd(group) };
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let (flags, mask) = (libc::FAN_MARK_ADD | libc::FAN_MARK_MOUNT, libc::FAN_OPEN_PERM | libc::FAN_ONDIR);
    // SAFETY: the path is a C string that outlives the call.
    let marked =
        unsafe { libc::fanotify_mark(group.as_raw_fd(), flags, mask, libc::AT_FDCWD, path.as_ptr()) };
    (marked == 0).then_some(group)
}

/// Lets everybody through but the threads of `pid`.
fn keep(group: &OwnedFd, pid: i32, is_over: &AtomicBool) {
    const EVENT_BYTES: usize = size_of::<libc::fanotify_event_metadata>();
    let mut held = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let mut waits = [PollFd::new(group, PollFlags::IN)];
        let mut buffer = [0; EVENT_BYTES];
        if poll(&mut waits, Some(&pause)).unwrap_or(0) == 0
            || rustix::io::read(group, &mut buffer) != Ok(EVENT_BYTES)
        {
            continue;
        }
        // SAFETY: the kernel has filled the whole of this plain structure.
        let event: libc::fanotify_event_metadata = unsafe { std::mem::transmute(buffer) };
        // SAFETY: each event brings a descriptor of its own.
        let file = unsafe { OwnedFd::from_raw_fd(event.fd) };
        if event.pid == pid {
            held.push(file);
            continue;
        }
        let answer = [event.fd.to_ne_bytes(), libc::FAN_ALLOW.to_ne_bytes()].concat();
        rustix::io::write(group, &answer).unwrap();
    }
}

//! Readers that look for files by their names: each input becomes a file of a host or of a container.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    fuzzing::Told,
    inspect::{
        Deadline, docker, file, host::Host, identity, image, linked, oci::Bundle, passwd,
        root::ContainerRoot, states,
    },
    model::{
        container::{ContainerId, Runtime},
        fact::{Known, Libraries},
    },
};

/// A directory that goes with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn with(files: &[(&str, &[u8])]) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let scratch = Self(parent.join(format!("gomon-fuzz-{}-{number}", std::process::id())));
        for (name, bytes) in files {
            let path = scratch.0.join(name);
            fs::create_dir_all(path.parent()?).ok()?;
            fs::write(path, bytes).ok()?;
        }
        Some(scratch)
    }

    fn host(&self) -> Option<Host> {
        Host::new(&self.0, Path::new("/proc")).ok()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is a few bytes in memory.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn in_container(files: &[(&str, &[u8])], look: impl FnOnce(&ContainerRoot<'_>) -> Told) -> Told {
    let Some(scratch) = Scratch::with(files) else { return Told::Nothing };
    let Some(host) = scratch.host() else { return Told::Nothing };
    let Ok(top) = host.locate(Path::new("/")) else { return Told::Nothing };
    match ContainerRoot::new(&host, top, &Bundle::default(), Deadline::never()) {
        Ok(root) => look(&root),
        Err(error) => Told::Refused(error.to_string()),
    }
}

/// The same file is program, loader and library.
pub(super) fn program(bytes: &[u8]) -> Told {
    let files: [(&str, &[u8]); 4] = [
        ("app", bytes),
        ("lib64/ld-linux-x86-64.so.2", bytes),
        ("lib/x86_64-linux-gnu/libc.so.6", bytes),
        ("etc/ld.so.cache", bytes),
    ];
    in_container(&files, |root| {
        let fact = file::describe(root, "/app");
        if let Known::Is(fact) = &fact
            && let Some(elf) = fact.present().and_then(|file| file.elf())
        {
            let is_told = elf.interpreter.is_some() || elf.libraries == Known::Is(Libraries::default());
            let is_unknown = matches!(&elf.libraries, Known::Unknown(reason) if !reason.is_empty());
            assert!(is_told || is_unknown, "libraries of a file without a loader: {:?}", elf.libraries);
            assert!(
                !elf.truncated || matches!(elf.libraries, Known::Unknown(_)),
                "the libraries of half a file are known: {:?}",
                elf.libraries
            );
        }
        Told::known(&fact)
    })
}

pub(super) fn linked(bytes: &[u8]) -> Told {
    in_container(&[("app", bytes)], |root| Told::known(&linked::find(root, "/app")))
}

/// The first word of the input is the user that is asked for.
pub(super) fn users(bytes: &[u8]) -> Told {
    let asked = String::from_utf8_lossy(bytes).split([':', '\n']).next().unwrap_or_default().to_owned();
    in_container(&[("etc/passwd", bytes), ("etc/group", bytes)], |root| {
        let resolved = [asked.clone(), format!("{asked}:{asked}"), format!("0:{asked}")]
            .map(|user| passwd::resolve(root, &user));
        for reason in resolved.iter().filter_map(|one| one.as_ref().err()) {
            assert!(!reason.is_empty(), "an unknown user without a reason");
        }
        let found = passwd::find(root, 1000);
        match found {
            Known::Is(passwd) => Told::Value(format!("{passwd:?} {resolved:?}")),
            Known::Unknown(reason) => Told::Refused(reason),
        }
    })
}

pub(super) fn docker(bytes: &[u8]) -> Told {
    let id = ContainerId("ab".repeat(32).into());
    let path = format!("var/lib/docker/containers/{}/config.v2.json", id.0);
    let other = format!("var/lib/docker/containers/{}/hostconfig.json", id.0);
    let files: [(&str, &[u8]); 3] = [(&path, bytes), (&other, bytes), ("etc/docker/daemon.json", bytes)];
    let Some(scratch) = Scratch::with(&files) else { return Told::Nothing };
    let Some(host) = scratch.host() else { return Told::Nothing };
    let container = match docker::read(&host, &id, None) {
        Ok(container) => container,
        Err(error) => return Told::Refused(error.to_string()),
    };
    let revived = crate::inspect::dead::revive(&host, &id, &container, Deadline::never());
    let config = revived.map(|dead| dead.config).map_err(|error| error.to_string());
    let kept = image::find(Runtime::Docker, Some(&container.config), Err("nobody looks"));
    Told::Value(format!("{:?} {:?} {kept:?} {config:?}", container.identity(), container.runtime_state()))
}

pub(super) fn states(bytes: &[u8]) -> Told {
    let files: [(&str, &[u8]); 2] = [("run/runc/web/state.json", bytes), ("run/crun/web/status", bytes)];
    let Some(scratch) = Scratch::with(&files) else { return Told::Nothing };
    let Some(host) = scratch.host() else { return Told::Nothing };
    let stored = identity::find_stored(bytes, "b").is_some();
    Told::Value(format!("{:?} {:?} {stored}", states::find(&host, "/x/web"), states::all(&host)))
}

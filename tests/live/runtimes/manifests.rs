//! The agent in a container with exactly the capabilities and mounts of the manifests sees and names a failing neighbour.

#[path = "manifests/image.rs"]
mod image;
#[path = "manifests/manifest.rs"]
mod manifest;
#[path = "manifests/pod.rs"]
mod pod;

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::support::{Container, said, skip, wait_for};
use manifest::Manifest;
use pod::Pod;

const GOMON: &str = env!("CARGO_BIN_EXE_gomon");

/// The program under test with the libraries that it is linked against here. That of the image needs none.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let listed = said(Command::new("ldd").arg(GOMON)).out;
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let mut files: Vec<(PathBuf, PathBuf)> = libraries.map(|path| (path.clone(), path)).collect();
    files.push((PathBuf::from(GOMON), PathBuf::from("/gomon")));
    for (from, to) in files {
        let to = root.path().join(to.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    root
}

fn names_a_failing_neighbour(profile: &str, root: TempDir) {
    let manifest = Manifest::read(profile);
    let Some(pod) = Pod::start(&manifest, root) else { return skip(profile, "runc is not installed") };
    let granted = manifest.capabilities().iter().fold(0, |mask, name| mask | 1 << manifest::number(name));
    assert_eq!(pod.capabilities() & !granted, 0, "it has more than the manifest grants: {}", pod.log());
    let broken = Container::new("neighbour", "scratch", &["/app/probe.glibc"]);
    broken.run();
    let expected = ("missing-interpreter".to_owned(), broken.name.clone());
    let id = broken.id();
    wait_for("the neighbour's verdict", || pod.told(&id).contains(&expected).then_some(()));
    let pid = pod.pid();
    assert_eq!(pod.told_to_stop().code, Some(0));
    wait_for("the agent's end", || pod.log().contains("gomon stopped").then_some(()));
    wait_for("the agent to be gone", || (!is_running(pid)).then_some(()));
}

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn the_agent_of_the_restricted_profile_names_a_failing_neighbour() {
    names_a_failing_neighbour("restricted", root());
}

#[test]
fn the_agent_of_the_full_profile_names_a_failing_neighbour() {
    names_a_failing_neighbour("full", root());
}

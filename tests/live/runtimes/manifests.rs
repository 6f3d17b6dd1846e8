//! The agent in a container with exactly the capabilities and mounts of the manifests sees and names a failing neighbour.

#[path = "manifests/manifest.rs"]
mod manifest;

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::oci::{Bundle, Oci};
use crate::support::{Container, Said, said, skip, unique, wait_for};
use manifest::Manifest;

const GOMON: &str = env!("CARGO_BIN_EXE_gomon");

/// The program under test with the libraries that it is linked against here. That of the real image needs none, which
/// `cargo xtask image` checks.
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

/// The agent as a profile runs it. It has a network of its own, so it is asked through its unix socket.
struct Pod {
    runc: Oci,
    bundle: Bundle,
    run: TempDir,
    _root: TempDir,
}

impl Pod {
    /// `None` where there is no runc. Not Docker: before version 25 it knows no `CAP_BPF`.
    fn start(manifest: &Manifest) -> Option<Self> {
        let runc = Oci::new("runc")?;
        let (run, root) = (tempfile::tempdir().unwrap(), root());
        for name in ["config", "run", "state"] {
            fs::create_dir(run.path().join(name)).unwrap();
        }
        fs::write(run.path().join("config/gomon.yaml"), Manifest::configuration()).unwrap();
        let places = ["config", "run", "state"].map(|name| (name, run.path().join(name)));
        let bundle = Bundle::new(&unique("agent"), &[]).with(|config| {
            config["root"]["path"] = root.path().to_str().unwrap().into();
            manifest.apply(config, &places);
        });
        let pod = Self { runc, bundle, run, _root: root };
        pod.runc.start(&pod.bundle);
        wait_for("the agent of the manifest to be ready", || {
            assert!(
                Path::new("/proc").join(pod.pid().to_string()).exists(),
                "the agent ended: {}",
                pod.log()
            );
            (pod.get("/readyz")?.0 == 200).then_some(())
        });
        Some(pod)
    }

    fn pid(&self) -> u32 {
        self.runc.pid(&self.bundle.id)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.bundle.path().join("output")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.run.path().join("run/gomon.sock")).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: gomon\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split_whitespace().nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// What is said of the container with this id: patterns and the container's name.
    fn told(&self, id: &str) -> Vec<(String, String)> {
        let Some((200, body)) = self.get(&format!("/api/v1/diagnoses?container={id}")) else {
            return Vec::new();
        };
        let answer: Value = serde_json::from_str(&body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = answer["diagnoses"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (text(&one["pattern"]), text(&one["target"]["name"]))).collect()
    }

    /// The capabilities that it may ever have, as the kernel counts them.
    fn capabilities(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
        u64::from_str_radix(bounding.trim(), 16).unwrap()
    }

    fn told_to_stop(&self) -> Said {
        self.runc.kill(&self.bundle.id, "TERM")
    }
}

fn names_a_failing_neighbour(profile: &str) {
    let manifest = Manifest::read(profile);
    let Some(pod) = Pod::start(&manifest) else { return skip(profile, "runc is not installed") };
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
    names_a_failing_neighbour("restricted");
}

#[test]
fn the_agent_of_the_full_profile_names_a_failing_neighbour() {
    names_a_failing_neighbour("full");
}

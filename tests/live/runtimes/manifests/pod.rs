//! The agent's pod, without a kubelet: runc does what the manifest says.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use super::manifest::Manifest;
use crate::{
    runtimes::oci::{Bundle, Oci},
    support::{Said, unique, wait_for},
};

/// The agent as a profile runs it. It has a network of its own, so it is asked through its unix socket.
pub(super) struct Pod {
    runc: Oci,
    bundle: Bundle,
    run: TempDir,
    _root: TempDir,
}

impl Pod {
    /// `None` where there is no runc. Not Docker: before version 25 it knows no `CAP_BPF`.
    pub(super) fn start(manifest: &Manifest, root: TempDir) -> Option<Self> {
        let runc = Oci::new("runc")?;
        let run = tempfile::tempdir().unwrap();
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

    pub(super) fn pid(&self) -> u32 {
        self.runc.pid(&self.bundle.id)
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.bundle.path().join("output")).unwrap_or_default()
    }

    pub(super) fn get(&self, path: &str) -> Option<(u16, String)> {
        get(&self.run.path().join("run/gomon.sock"), path)
    }

    /// What is said of the container with this id: patterns and the container's name.
    pub(super) fn told(&self, id: &str) -> Vec<(String, String)> {
        let Some((200, body)) = self.get(&format!("/api/v1/diagnoses?container={id}")) else {
            return Vec::new();
        };
        let answer: Value = serde_json::from_str(&body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = answer["diagnoses"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (text(&one["pattern"]), text(&one["target"]["name"]))).collect()
    }

    /// The capabilities that it may ever have, as the kernel counts them.
    pub(super) fn capabilities(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
        u64::from_str_radix(bounding.trim(), 16).unwrap()
    }

    pub(super) fn told_to_stop(&self) -> Said {
        self.runc.kill(&self.bundle.id, "TERM")
    }

    /// A file of its memory cgroup, of version 1 or 2.
    pub(super) fn memory(&self, v1: &str, v2: &str) -> u64 {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid())).unwrap();
        let of = |start: &str| groups.lines().find_map(|line| line.split_once(start)).map(|(_, path)| path);
        let file = match of(":memory:") {
            Some(path) => PathBuf::from(format!("/sys/fs/cgroup/memory{path}")).join(v1),
            None => PathBuf::from(format!("/sys/fs/cgroup{}", of("0::").unwrap())).join(v2),
        };
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.trim().parse().unwrap_or_else(|error| panic!("{}: {error}: {text}", file.display()))
    }
}

/// The status and the text of a page of the agent that listens on this unix socket; `None` where nobody answers.
pub(super) fn get(socket: &Path, path: &str) -> Option<(u16, String)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: gomon\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split_whitespace().nth(1)?.parse().ok()?, body.to_owned()))
}

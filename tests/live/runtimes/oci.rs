//! Containers of runc and crun without anything above them: a root file system, a bundle for each, roots of their own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Said, find, fixture, install, need_live_machine, said};

/// The root file system of all containers of this file, made once: two probes and a shell.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        need_live_machine();
        let dir = tempfile::tempdir().unwrap();
        // Users of other user namespaces go through it.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["probe.static", "probe.glibc"] {
            install(&fixture("bin").join(name), &dir.path().join("app").join(name), 0o755);
        }
        install(&fixture("roots/musl/bin/busybox"), &dir.path().join("bin/sh"), 0o755);
        for mount in ["proc", "dev", "sys", "run", "etc", "tmp"] {
            fs::create_dir(dir.path().join(mount)).unwrap();
        }
        dir
    });
    root.path()
}

/// A bundle that is gone with its value.
pub(crate) struct Bundle {
    dir: PathBuf,
    pub(crate) id: String,
    config: Value,
}

impl Bundle {
    pub(crate) fn new(id: &str, args: &[&str]) -> Self {
        Self::at(tempfile::tempdir().unwrap().keep(), id, args)
    }

    /// In a directory that nobody else has.
    pub(crate) fn at(dir: PathBuf, id: &str, args: &[&str]) -> Self {
        fs::create_dir_all(&dir).unwrap();
        let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({ "type": kind }));
        let capabilities = ["bounding", "effective", "permitted"];
        let capabilities: Value =
            capabilities.map(|set| (set.to_owned(), json!(["CAP_KILL"]))).into_iter().collect();
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/",
                "capabilities": capabilities
            },
            "root": {"path": root(), "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            ],
            "linux": {"namespaces": namespaces},
        });
        Self { dir, id: id.to_owned(), config }.written()
    }

    fn written(self) -> Self {
        fs::write(self.path().join("config.json"), self.config.to_string()).unwrap();
        self
    }

    /// `linux.cgroupsPath`.
    pub(crate) fn cgroup(mut self, path: &str) -> Self {
        self.config["linux"]["cgroupsPath"] = path.into();
        self.written()
    }

    pub(crate) fn annotations(mut self, annotations: Value) -> Self {
        self.config["annotations"] = annotations;
        self.written()
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self.written()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// runc or crun with a root of its own. What it started ends with it.
pub(crate) struct Oci {
    tool: &'static str,
    root: Option<TempDir>,
    started: Mutex<Vec<String>>,
}

impl Oci {
    /// `None` where it is not installed.
    pub(crate) fn new(tool: &'static str) -> Option<Self> {
        need_live_machine();
        find(tool)?;
        Some(Self { tool, root: tempfile::tempdir().ok(), started: Mutex::default() })
    }

    /// With the root that it has without `--root`.
    pub(super) fn in_default_root(mut self) -> Self {
        self.root = None;
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut line = vec![self.tool];
        let root = self.root.as_ref().map(|root| root.path().display().to_string());
        if let Some(root) = &root {
            line.extend(["--root", root]);
        }
        line.extend(args);
        if self.tool == "crun" { seeing_v2(&line) } else { command(&line) }
    }

    /// Runs a container to its end.
    pub(crate) fn run(&self, bundle: &Bundle) -> Said {
        self.started.lock().unwrap().push(bundle.id.clone());
        said(&mut self.command(&["run", "--bundle", bundle.path().to_str().unwrap(), &bundle.id]))
    }

    /// Starts a container in the background.
    pub(crate) fn start(&self, bundle: &Bundle) {
        self.started.lock().unwrap().push(bundle.id.clone());
        let output = fs::File::create(bundle.path().join("output")).unwrap();
        let mut run =
            self.command(&["run", "--detach", "--bundle", bundle.path().to_str().unwrap(), &bundle.id]);
        run.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let status = run.status().unwrap();
        let output = || fs::read_to_string(bundle.path().join("output")).unwrap();
        assert!(status.success(), "{run:?}: {}", output());
    }

    pub(super) fn pid(&self, id: &str) -> u32 {
        let said = said(&mut self.command(&["state", id]));
        let state: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        u32::try_from(state["pid"].as_u64().unwrap()).unwrap()
    }

    /// Sends a signal to a container's first process.
    pub(super) fn kill(&self, id: &str, signal: &str) -> Said {
        said(&mut self.command(&["kill", id, signal]))
    }

    pub(super) fn delete(&self, id: &str) -> Said {
        said(&mut self.command(&["delete", "--force", id]))
    }
}

impl Drop for Oci {
    fn drop(&mut self) {
        for id in std::mem::take(&mut *self.started.lock().unwrap()) {
            self.delete(&id);
        }
    }
}

pub(super) fn command(line: &[&str]) -> Command {
    let (program, args) = line.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command
}

/// Where v2 is beside v1, crun refuses a v2 tree with controllers of its own: it gets a mount namespace with v2 alone.
pub(super) fn seeing_v2(line: &[&str]) -> Command {
    seeing(line, "mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup")
}

/// The same with v1 alone.
pub(super) fn seeing_v1(line: &[&str]) -> Command {
    seeing(line, "umount /sys/fs/cgroup/unified")
}

fn seeing(line: &[&str], change: &str) -> Command {
    if !Path::new("/sys/fs/cgroup/unified").exists() {
        return command(line);
    }
    let script = format!("{change} && exec \"$@\"");
    let mut whole = vec!["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, "sh"];
    whole.extend(line);
    command(&whole)
}

/// An id as runtimes make them up, another each time.
pub(crate) fn random_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{:0<64}", format!("{now:x}{:x}", std::process::id()))
}

/// The cgroup of the container that keys it, as the process sees it.
pub(super) fn cgroup_of(pid: u32) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    PathBuf::from(text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default())
}

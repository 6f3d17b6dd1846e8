//! dockerd is killed and comes back: containers of it are named before and after, and nobody is blamed for it.

use std::{
    fs,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{GLIBC, STATIC};
use crate::support::{
    Agent, Running, Said, find, fixture, need_live_machine, said, skip, tied, unique, wait_for, wait_up_to,
};

const IMAGE: &str = "gomon-test/daemon:1";

/// A dockerd with directories, a socket and a network of its own: the one of the machine does not notice.
struct Docker {
    daemon: Option<Running>,
    dir: TempDir,
}

impl Docker {
    /// `None` where it is not installed, or cannot run beside another one.
    fn start() -> Option<Self> {
        need_live_machine();
        find("dockerd").and(find("unshare"))?;
        let mut this = Self { daemon: None, dir: tempfile::tempdir().unwrap() };
        this.begin().then_some(())?;
        let bin = fixture("bin");
        let mut image = Command::new("sh");
        let script = format!(
            "tar --create --directory {} --transform 's,^,app/,' probe.glibc probe.static \
             | docker --host unix://{} import - {IMAGE}",
            bin.display(),
            this.at("d.sock")
        );
        image.args(["-c", &script]);
        let imported = said(&mut image);
        assert_eq!(imported.code, Some(0), "{imported:?}");
        Some(this)
    }

    fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Starts the daemon, for the first time or again.
    fn begin(&mut self) -> bool {
        let mut daemon = tied("unshare");
        daemon.args(["--net", "dockerd", "--bridge=none", "--iptables=false", "--ip-forward=false"]);
        daemon.args(["--ip-masq=false", "--live-restore"]);
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "d.pid")] {
            daemon.arg(option).arg(self.at(name));
        }
        daemon.arg("--host").arg(format!("unix://{}", self.at("d.sock"))).stdin(Stdio::null());
        let mut running = Running::start(daemon);
        let answers = wait_up_to(crate::support::PATIENCE * 2, || {
            let ended = running.ended().is_some();
            (ended || self.docker(&["version"]).code == Some(0)).then_some(!ended)
        });
        self.daemon = Some(running);
        answers == Some(true)
    }

    /// Ends it without a word, and with it its containerd, as the kernel sees to.
    fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.signal(Signal::KILL);
        wait_for("the end of dockerd", || daemon.ended());
        let file = self.dir.path().join("exec/containerd/containerd.pid");
        let pid = fs::read_to_string(&file).unwrap_or_default();
        wait_for("the end of its containerd", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
        // Where nobody collects the dead, the next dockerd would take it for alive.
        let _ = fs::remove_file(file);
    }

    fn docker(&self, args: &[&str]) -> Said {
        let host = format!("unix://{}", self.at("d.sock"));
        said(Command::new("docker").args(["--host", &host]).args(args))
    }

    /// The id of a container that has run to its end, or that runs on if `options` say so.
    fn run(&self, name: &str, options: &[&str], program: &[&str]) -> String {
        self.docker(&[&["run", "--network", "none", "--name", name], options, &[IMAGE], program].concat());
        let id = self.docker(&["inspect", "--format", "{{.Id}}", name]);
        assert_eq!(id.code, Some(0), "{id:?}");
        id.out
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        for id in self.docker(&["ps", "--all", "--quiet"]).out.lines() {
            self.docker(&["rm", "--force", "--volumes", id]);
        }
        // Dropped, it would be killed, and leave its mounts behind.
        if let Some(daemon) = self.daemon.take() {
            daemon.signal(Signal::TERM);
            let mut daemon = daemon;
            wait_up_to(crate::support::PATIENCE, || daemon.ended());
        }
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let below = self.at("");
        for mount in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if mount.starts_with(&below) {
                said(Command::new("umount").args(["--lazy", mount]));
            }
        }
    }
}

/// The agent names the container and what is wrong with it.
fn is_named(agent: &Agent, id: &str, name: &str) {
    let found = wait_for(&format!("the diagnosis of {name}"), || agent.diagnoses(id).pop());
    assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
    assert_eq!(found["target"]["name"], name, "{found:#}");
    assert_eq!(found["target"]["runtime"], "docker");
    assert_eq!(agent.diagnoses(id).len(), 1);
}

#[test]
fn a_dockerd_that_is_killed_and_comes_back_costs_no_container_its_name() {
    let Some(mut docker) = Docker::start() else {
        return skip("a dockerd that is killed", "no second dockerd can run here");
    };
    let agent = Agent::start();
    let [before, standing, after] = ["before", "standing", "after"].map(unique);
    let id = docker.run(&before, &[], &[GLIBC]);
    is_named(&agent, &id, &before);
    let stands = docker.run(&standing, &["--detach"], &[STATIC, "sleep", "300s"]);

    docker.kill();
    assert!(docker.begin(), "it comes back: {}", docker.daemon.as_ref().unwrap().stderr());

    let id = docker.run(&after, &[], &[GLIBC]);
    is_named(&agent, &id, &after);
    assert_eq!(agent.diagnoses(&stands), Vec::<Value>::new());
    let labels = [("container_id", stands.as_str()), ("container", standing.as_str())];
    wait_for("the one that stood through it", || agent.metrics().sum("gomon_container_info", &labels));
    assert_eq!(agent.get("/readyz"), "ready\n");
}

//! The unit on a real systemd, booted in a container that stands for a host without Kubernetes.

use std::path::{Path, PathBuf};

use super::super::pod::get;
use super::{Removed, root};
use crate::support::{Said, Series, docker, docker_ok, skip, unique, wait_for};

const IMAGE: &str = "gomon-test/systemd:1";
const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/gomon.service");
/// Where the v2 tree is on a host that has v1 beside it.
const HYBRID: &str = "/sys/fs/cgroup/unified";
/// Of 100: what `systemd-analyze security` may hold against the unit at most.
const EXPOSURE: &str = "--threshold=57";

struct Host {
    name: String,
}

impl Host {
    /// Boots one with the program and the unit in place; `None` where there is no image of it.
    fn boot() -> Option<Self> {
        docker(&["image", "inspect", IMAGE]).code.filter(|code| *code == 0)?;
        let host = Self { name: unique("systemd") };
        let mut line =
            vec!["create", "--name", &host.name, "--network", "none", "--tmpfs", "/run", "--tmpfs", "/tmp"];
        // Docker before version 25 knows no CAP_BPF: SYS_ADMIN takes its place.
        line.extend(["SYS_ADMIN", "DAC_READ_SEARCH", "SYS_PTRACE"].iter().flat_map(|one| ["--cap-add", one]));
        line.extend(["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"]);
        // The v2 tree alone: where systemd finds v1 it mounts and remounts what is this machine's, too.
        let v2 = if Path::new(HYBRID).exists() { HYBRID } else { "/sys/fs/cgroup" };
        let tree = format!("{v2}:/sys/fs/cgroup");
        line.extend(["--env", "SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=1", "--volume", &tree]);
        line.extend(["--tty", IMAGE, "/lib/systemd/systemd"]);
        docker_ok(&line);
        let files = root();
        let program = files.path().join("gomon");
        for (from, to) in [
            (program.as_path(), "/usr/local/bin/gomon"),
            (Path::new(UNIT), "/etc/systemd/system/gomon.service"),
        ] {
            docker_ok(&["cp", from.to_str().unwrap(), &format!("{}:{to}", host.name)]);
        }
        docker_ok(&["start", &host.name]);
        wait_for("systemd to be up", || {
            let state = host.run(&["systemctl", "is-system-running"]).out;
            ["running", "degraded"].contains(&state.as_str()).then_some(())
        });
        Some(host)
    }

    fn run(&self, command: &[&str]) -> Said {
        docker(&[&["exec", &self.name], command].concat())
    }

    fn ok(&self, command: &[&str]) -> String {
        let said = self.run(command);
        assert_eq!(said.code, Some(0), "{command:?}: {said:?}\n{}", self.log());
        said.out
    }

    fn log(&self) -> String {
        self.run(&["journalctl", "--unit", "gomon", "--no-pager"]).out
    }

    fn property(&self, name: &str) -> String {
        self.ok(&["systemctl", "show", "gomon", "--property", name, "--value"])
    }

    fn socket(&self) -> PathBuf {
        let pid = docker_ok(&["inspect", "--format", "{{.State.Pid}}", &self.name]);
        Path::new("/proc").join(pid).join("root/run/gomon/gomon.sock")
    }

    fn is_ready(&self) {
        wait_for("the agent of the unit to be ready", || {
            get(&self.socket(), "/readyz").filter(|(status, _)| *status == 200)
        });
    }
}

#[test]
fn the_unit_starts_a_confined_agent_that_sees_and_systemd_reloads_restarts_and_stops_it() {
    let Some(host) = Host::boot() else { return skip("the systemd unit", "there is no image with systemd") };
    let _gone = Removed(&host.name);
    let said = host.run(&["systemd-analyze", "verify", "/etc/systemd/system/gomon.service"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", ""));
    host.ok(&["systemd-analyze", "security", "--no-pager", EXPOSURE, "gomon.service"]);

    host.ok(&["systemctl", "enable", "--now", "gomon"]);
    host.is_ready();
    let metrics = Series::parse(&get(&host.socket(), "/metrics").unwrap().1);
    for name in ["gomon_probe_attached", "gomon_confined"] {
        let off: Vec<_> =
            metrics.of(name, &[]).filter(|(_, value)| value < &1.0).map(|(labels, _)| labels).collect();
        assert!(off.is_empty() && metrics.sum(name, &[]).is_some(), "{name}: {off:?}\n{}", host.log());
    }
    assert_eq!(metrics.sum("gomon_store_up", &[]), Some(1.0), "{}", host.log());

    host.ok(&["systemctl", "reload", "gomon"]);
    wait_for("the reload", || host.log().contains("configuration reloaded").then_some(()));

    let pid = host.property("MainPID");
    host.ok(&["sh", "-c", &format!("kill -9 {pid}")]);
    wait_for("another agent", || {
        (![pid.as_str(), "0"].contains(&host.property("MainPID").as_str())).then_some(())
    });
    host.is_ready();

    host.ok(&["systemctl", "stop", "gomon"]);
    assert_eq!(
        (host.property("Result").as_str(), host.property("ExecMainStatus").as_str()),
        ("success", "0")
    );
    assert!(!host.socket().exists(), "{}", host.log());
    host.ok(&["test", "-s", "/var/lib/gomon/gomon.db"]);
}

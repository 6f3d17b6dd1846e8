//! Containers of podman, which keeps them in a storage of its own and starts them through conmon.

use tempfile::TempDir;

use super::{
    GLIBC, STATIC, Who,
    oci::{command, root, seeing_v1},
};
use crate::support::{Agent, Said, find, need_live_machine, said, skip, unique, wait_for};

const IMAGE: &str = "localhost/gomon-test/podman:1";

/// podman with a storage of its own. What runs in it ends with it.
struct Podman {
    dir: TempDir,
    runtime: &'static str,
}

impl Podman {
    /// `None` where it, or the runtime, is not installed.
    fn new(runtime: &'static str) -> Option<Self> {
        need_live_machine();
        find("podman").and(find(runtime))?;
        let this = Self { dir: tempfile::tempdir().unwrap(), runtime };
        let layer = this.dir.path().join("layer.tar");
        let layer = layer.to_str().unwrap();
        let packed = said(&mut command(&["tar", "-C", root().to_str().unwrap(), "-cf", layer, "."]));
        assert_eq!(packed.code, Some(0), "{packed:?}");
        this.ok(&["import", layer, IMAGE]);
        Some(this)
    }

    fn call(&self, args: &[&str]) -> Said {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let (root, run) = (at("root"), at("run"));
        let mut line = vec!["podman", "--root", &root, "--runroot", &run, "--runtime", self.runtime];
        line.extend(["--cgroup-manager", "cgroupfs"]);
        line.extend(args);
        // As in the tests of crun alone.
        said(&mut if self.runtime == "crun" { seeing_v1(&line) } else { command(&line) })
    }

    fn ok(&self, args: &[&str]) -> String {
        let said = self.call(args);
        assert_eq!(said.code, Some(0), "podman {args:?}: {said:?}");
        said.out
    }

    /// Creates a container; its id.
    fn create(&self, name: &str, more: &[&str], args: &[&str]) -> String {
        // Its own defaults are more than a user without CAP_SYS_RESOURCE may have.
        let limits = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"];
        let head = ["create", "--name", name, "--network", "none"];
        self.ok(&[&head, &limits[..], more, &[IMAGE], args].concat())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.call(&["rm", "--all", "--force", "--time", "0"]);
        self.call(&["pod", "rm", "--all", "--force"]);
        self.call(&["rmi", "--all", "--force"]);
    }
}

#[test]
fn a_container_of_podman_has_the_name_that_the_storage_keeps() {
    let Some(podman) = Podman::new("runc") else { return skip("podman", "podman or runc is not installed") };
    let agent = Agent::start();
    let who = |id: &str, name: &str| Who { image: IMAGE.to_owned(), ..Who::new("podman", id, name) };
    let name = unique("podman");
    let failing = podman.create(&name, &[], &[GLIBC]);
    assert_ne!(podman.call(&["start", "--attach", &name]).code, Some(0));
    who(&failing, &name).failed(&agent);
    // A pod has a cgroup whose name is its id. It is no container.
    let pod = podman.ok(&["pod", "create", "--infra=false", &unique("pod")]);
    let in_pod = unique("in-pod");
    let member = podman.create(&in_pod, &["--pod", &pod], &[GLIBC]);
    podman.call(&["start", "--attach", &in_pod]);
    who(&member, &in_pod).failed(&agent);
    assert_eq!(agent.metrics().sum("gomon_container_info", &[("container_id", &pod)]), None);
    drop(agent);
    let name = unique("podman");
    let standing = podman.create(&name, &[], &[STATIC, "sleep", "60s"]);
    podman.ok(&["start", &name]);
    let pid = podman.ok(&["inspect", "--format", "{{.State.Pid}}", &name]);
    let pid = format!("pid:{pid}");
    who(&standing, &name).stands(&[&name, &standing[..12], &format!("podman://{standing}"), &pid]);
}

#[test]
fn a_container_of_podman_with_crun_is_known_by_the_v1_hierarchies_alone() {
    let Some(podman) = Podman::new("crun") else { return skip("podman", "podman or crun is not installed") };
    if !std::path::Path::new("/sys/fs/cgroup/memory").exists() {
        return skip("podman on cgroup v1", "this host has no v1 memory hierarchy");
    }
    let agent = Agent::start_with(&[("GOMON_FORCE_CGROUP_V1", "1")]);
    let name = unique("podman-v1");
    let id = podman.create(&name, &["--memory", "64m"], &[GLIBC]);
    let said = podman.call(&["start", "--attach", &name]);
    let found = wait_for(&format!("the diagnosis; podman said {said:?}"), || agent.diagnoses(&id).pop());
    assert_eq!(found["target"]["runtime"], "podman");
    assert_eq!(found["target"]["name"], name.as_str(), "{found:#}");
    assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
}

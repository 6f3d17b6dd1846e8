//! A containerd of the tests' own, driven by `ctr` and through its CRI socket.

use std::{fs, path::PathBuf, process::Stdio};

use tempfile::TempDir;

use super::{
    GLIBC, STATIC, Who,
    cri::{Cri, Pod},
    oci::{command, root},
};
use crate::support::{
    Agent, Running, Said, docker, docker_ok, find, need_live_machine, said, skip, tied, unique, wait_for,
};

/// A containerd with directories of its own. What runs in it ends with it.
struct Containerd {
    running: Option<Running>,
    dir: TempDir,
}

impl Containerd {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        need_live_machine();
        find("containerd").and(find("ctr"))?;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n[grpc]\naddress = {:?}\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = {IMAGE:?}\n\
             restrict_oom_score_adj = true\ndisable_apparmor = true\n",
            at("root"),
            at("state"),
            at("c.sock")
        );
        fs::write(dir.path().join("config.toml"), config).unwrap();
        let mut daemon = tied("containerd");
        daemon.arg("--config").arg(dir.path().join("config.toml")).stdin(Stdio::null());
        let this = Self { running: Some(Running::start(daemon)), dir };
        wait_for("containerd to answer", || (this.ctr(&["version"]).code == Some(0)).then_some(()));
        Some(this)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("c.sock")
    }

    fn ctr(&self, args: &[&str]) -> Said {
        let socket = self.socket();
        let mut line = vec!["ctr", "--address", socket.to_str().unwrap()];
        line.extend(args);
        said(&mut command(&line))
    }

    fn ctr_ok(&self, args: &[&str]) -> String {
        let said = self.ctr(args);
        assert_eq!(said.code, Some(0), "ctr {args:?}: {said:?}");
        said.out
    }

    /// Runs a container of the tests' root file system.
    fn run(&self, namespace: &str, options: &[&str], id: &str, args: &[&str]) -> Said {
        let mut line = vec!["--namespace", namespace, "run"];
        line.extend(options);
        line.extend(["--rootfs", root().to_str().unwrap(), id]);
        line.extend(args);
        self.ctr(&line)
    }

    fn pid(&self, namespace: &str, id: &str) -> u32 {
        let tasks = self.ctr_ok(&["--namespace", namespace, "task", "list"]);
        let line = tasks.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{tasks}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let namespaces = self.ctr(&["namespace", "list", "--quiet"]).out;
        for namespace in namespaces.lines() {
            let in_it = |args: &[&str]| self.ctr(&[&["--namespace", namespace], args].concat());
            for id in in_it(&["task", "list", "--quiet"]).out.lines() {
                in_it(&["task", "delete", "--force", id]);
            }
            for id in in_it(&["container", "list", "--quiet"]).out.lines() {
                in_it(&["container", "delete", id]);
            }
        }
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

#[test]
fn a_container_of_ctr_goes_by_the_word_for_its_id_in_its_namespace() {
    let Some(containerd) = Containerd::start() else { return skip("containerd", "it is not installed") };
    let agent = Agent::start();
    let word = unique("ctr");
    for namespace in ["default", "other"] {
        containerd.run(namespace, &["--rm"], &word, &[GLIBC]);
        Who::new("containerd", &format!("{namespace}/{word}"), &word).failed(&agent);
    }
    drop(agent);
    let id = format!("default/{word}");
    let said = containerd.run("default", &["--detach"], &word, &[STATIC, "sleep", "60s"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let pid = format!("pid:{}", containerd.pid("default", &word));
    let who = Who::new("containerd", &id, &word);
    who.stands(&[&word, &id, &format!("containerd://{word}"), &pid]);
    drop(containerd);
}

/// An image of the tests' root file system, which serves for the pods' own containers too.
const IMAGE: &str = "docker.io/gomon-test/pods:1";

/// Docker makes the archive: the image exists only while it is written.
fn import_image(containerd: &Containerd) {
    let archive = containerd.dir.path().join("image.tar");
    let layer = containerd.dir.path().join("layer.tar");
    let [archive, layer] = [&archive, &layer].map(|path| path.to_str().unwrap());
    let packed = said(&mut command(&["tar", "-C", root().to_str().unwrap(), "-cf", layer, "."]));
    assert_eq!(packed.code, Some(0), "{packed:?}");
    let entrypoint = format!("ENTRYPOINT [\"{STATIC}\", \"sleep\", \"1h\"]");
    docker_ok(&["import", "--change", &entrypoint, layer, IMAGE]);
    docker_ok(&["save", "--output", archive, IMAGE]);
    docker(&["image", "rm", IMAGE]);
    containerd.ctr_ok(&["--namespace", "k8s.io", "images", "import", archive]);
}

#[test]
fn a_container_of_a_pod_has_the_names_that_the_kubelet_gave() {
    let Some(containerd) = Containerd::start() else { return skip("CRI", "containerd is not installed") };
    import_image(&containerd);
    let agent = Agent::start();
    let cri = Cri::connect(&containerd.socket());
    let pod = Pod { namespace: "shop", name: "web-1", uid: "11111111-2222-3333-4444-555555555555" };
    let sandbox = cri.run_pod(&pod);
    let failing = cri.create(&sandbox, &pod, "broken", IMAGE, &[GLIBC]);
    // Some versions of runc say so, some leave it to the exit code.
    let _ = cri.start(&failing);
    let who = |id: &str, name: &str| Who {
        image: IMAGE.to_owned(),
        namespace: pod.namespace.to_owned(),
        pod: pod.name.to_owned(),
        ..Who::new("containerd", id, name)
    };
    who(&failing, "broken").failed(&agent);
    drop(agent);
    let standing = cri.create(&sandbox, &pod, "app", IMAGE, &[STATIC, "sleep", "60s"]);
    cri.start(&standing).unwrap();
    let running = who(&standing, "app");
    running.stands(&[&standing[..12], &format!("containerd://{standing}"), "shop/web-1/app", "app"]);
    cri.remove_pod(&sandbox);
    drop(containerd);
}

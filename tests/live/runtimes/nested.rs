//! Containers in containers: the innermost counts, with the names that its own runtime's files give it.

use std::fs;

use serde_json::json;

use super::{
    GLIBC, STATIC, Who,
    oci::{Bundle, Oci, random_id, root},
};
use crate::support::{Agent, Container, Said, docker, install, skip, wait_for};

/// A Docker container in which the host's runc works, as in Docker in Docker and in kind: its programs, its libraries
/// and its cgroups come from the host.
struct Outer {
    container: Container,
}

impl Outer {
    /// `shared` is a directory of the host that it has at `/shared`.
    fn start(shared: &std::path::Path) -> Self {
        let volume = format!("{}:/shared", shared.display());
        let mut options = vec!["--volume", volume.as_str(), "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"];
        for library in ["/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", "/bin:/bin:ro", "/sbin:/sbin:ro"]
        {
            options.extend(["--volume", library]);
        }
        options.extend(["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"]);
        options.extend(["--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"]);
        let container = Container::new("outer", "scratch", &[STATIC, "serve"]).with(&options);
        container.serve();
        Self { container }
    }

    fn exec(&self, args: &[&str]) -> Said {
        docker(&[&["exec", &self.container.name], args].concat())
    }
}

/// Inside, it lies at `/shared`.
fn bundle(shared: &std::path::Path, id: &str, cgroup: &str, args: &[&str]) -> Bundle {
    Bundle::at(shared.join(id), id, args)
        .cgroup(cgroup)
        .with(|config| config["root"]["path"] = "/shared/root".into())
}

#[test]
fn an_inner_container_is_judged_under_its_own_name_and_the_outer_one_is_not_blamed() {
    if Oci::new("runc").is_none() {
        return skip("containers in containers", "runc is not installed");
    }
    let shared = tempfile::tempdir().unwrap();
    install(&root().join("app/probe.glibc"), &shared.path().join("root/app/probe.glibc"), 0o755);
    for mount in ["proc", "dev"] {
        fs::create_dir(shared.path().join("root").join(mount)).unwrap();
    }
    let agent = Agent::start();
    let outer = Outer::start(shared.path());
    let around = format!("/docker/{}", outer.container.id());
    // As kind has it: a pod of the inner kubelet.
    let (inner, uid) = (random_id(), "11111111-2222-3333-4444-555555555555");
    let path = format!("{around}/kubelet/kubepods/burstable/pod{uid}/{inner}");
    let _pods = bundle(shared.path(), &inner, &path, &[GLIBC]).annotations(json!({
        "io.kubernetes.cri.container-name": "app",
        "io.kubernetes.cri.sandbox-name": "web-1",
        "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.image-name": "app:1",
    }));
    let said = outer.exec(&[
        "/usr/sbin/runc",
        "--root",
        "/shared/runc",
        "run",
        "--bundle",
        &format!("/shared/{inner}"),
        &inner,
    ]);
    let who = Who {
        image: "app:1".to_owned(),
        namespace: "shop".to_owned(),
        pod: "web-1".to_owned(),
        ..Who::new("runc", &inner, "app")
    };
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(!said.err.contains("rootless") && !said.err.contains("cgroup"), "{said:?}");
    who.failed(&agent);
    assert_eq!(agent.diagnoses(&outer.container.id()), Vec::<serde_json::Value>::new());
}

#[test]
fn a_container_cannot_pass_for_another_by_the_name_of_a_cgroup() {
    let victim = Container::new("victim", "scratch", &[STATIC, "serve"]);
    victim.serve();
    let agent = Agent::start();
    let shared = tempfile::tempdir().unwrap();
    let outer = Outer::start(shared.path());
    let (own, id) = (outer.container.id(), victim.id());
    let hierarchy = if std::path::Path::new("/sys/fs/cgroup/unified").exists() {
        "/sys/fs/cgroup/unified"
    } else {
        "/sys/fs/cgroup"
    };
    let imitation = format!("{hierarchy}/docker/{own}/docker/{id}");
    let script = format!(
        "mkdir -p {imitation} && echo $$ > {imitation}/cgroup.procs && cat /proc/self/cgroup && exec /app/no-such-program"
    );
    let said = outer.exec(&["/bin/sh", "-c", &script]);
    assert!(said.out.contains(&id), "the imitation has a process: {said:?}");
    let failures = |of: &Container| {
        let failures = agent.metrics().sum("gomon_container_exec_failures_total", &[("container", &of.name)]);
        failures.unwrap_or_default()
    };
    wait_for("the failed exec to be the outer container's", || {
        (failures(&outer.container) >= 1.0).then_some(())
    });
    assert!(failures(&victim) < 1.0 && agent.diagnoses(&id).is_empty());
}

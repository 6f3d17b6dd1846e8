//! Every runtime that this machine has: a container that fails has its own names, one that was there before is found.

mod containerd;
mod cri;
mod hostile;
mod manifests;
mod nested;
pub(crate) mod oci;
mod podman;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Agent, Container, fence, gomon, run, skip, unique, wait_for};
use oci::{Bundle, Oci, random_id};

const STATIC: &str = "/app/probe.static";
const GLIBC: &str = "/app/probe.glibc";

/// What gomon is to say of a container.
#[derive(Debug, Clone, Default)]
struct Who {
    id: String,
    name: String,
    runtime: &'static str,
    image: String,
    namespace: String,
    pod: String,
}

impl Who {
    fn new(runtime: &'static str, id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), runtime, ..Self::default() }
    }

    /// Its identity in an answer is this one.
    fn is(&self, target: &Value) {
        let Self { id, name, runtime, image, namespace, pod } = self;
        let expected = json!({"container_id": id, "name": name, "runtime": runtime, "image": image,
            "namespace": namespace, "pod": pod});
        let told: Value =
            expected.as_object().unwrap().keys().map(|key| (key.clone(), target[key].clone())).collect();
        assert_eq!(told, expected);
    }

    /// The agent has judged it by its missing loader, once, with certainty and under its own names.
    fn failed(&self, agent: &Agent) {
        let found = wait_for(&format!("the diagnosis of {}", self.id), || agent.diagnoses(&self.id).pop());
        self.is(&found["target"]);
        assert_eq!(found["pattern"], "missing-interpreter", "{found:#}");
        assert_eq!((found["confidence"].as_str(), found["count"].as_u64()), (Some("certain"), Some(1)));
        assert_eq!(agent.diagnoses(&self.id).len(), 1);
    }

    /// An agent that came later knows it, and every way to name it leads to it.
    fn stands(&self, targets: &[&str]) {
        let agent = Agent::start();
        let labels = [("container_id", self.id.as_str()), ("container", self.name.as_str())];
        wait_for("its names in the metrics", || agent.metrics().sum("gomon_container_info", &labels));
        std::thread::scope(|scope| {
            for target in targets {
                scope.spawn(move || {
                    let answer = run(gomon(&["diagnose", target, "-o", "json", "--timeout", "300ms"]));
                    let answer = answer.exits(5).json();
                    self.is(&answer["target"]);
                    assert_eq!(answer["coverage"]["attached_before_start"], false, "{target}");
                });
            }
        });
    }
}

#[test]
fn a_container_of_runc_alone_goes_by_the_word_for_its_id() {
    bare("runc");
}

#[test]
fn a_container_of_crun_alone_goes_by_the_word_for_its_id() {
    bare("crun");
}

/// One root is told by no file, the other is the one that the tool has without being told.
fn bare(tool: &'static str) {
    let (Some(elsewhere), Some(known)) = (Oci::new(tool), Oci::new(tool)) else {
        return skip(tool, "it is not installed");
    };
    let known = known.in_default_root();
    let agent = Agent::start();
    for oci in [&elsewhere, &known] {
        let failing = Bundle::new(&unique(tool), &[GLIBC]);
        let said = oci.run(&failing);
        assert_ne!(said.code, Some(0), "{said:?}");
        Who::new(tool, &failing.id, &failing.id).failed(&agent);
    }
    drop(agent);
    let standing = Bundle::new(&unique(tool), &[STATIC, "sleep", "60s"]);
    known.start(&standing);
    let (word, pid) = (&standing.id, format!("pid:{}", known.pid(&standing.id)));
    Who::new(tool, word, word).stands(&[word, &format!("{tool}://{word}"), &pid]);
}

#[test]
fn a_container_in_the_layout_of_cri_o_has_the_names_of_its_pod() {
    let Some(runc) = Oci::new("runc") else { return skip("CRI-O's layout", "runc is not installed") };
    let (id, uid) = (random_id(), "11111111-2222-3333-4444-555555555555");
    let userdata = PathBuf::from(format!("/run/containers/storage/overlay-containers/{id}/userdata"));
    let annotations = json!({
        "io.container.manager": "cri-o",
        "io.kubernetes.container.name": "app",
        "io.kubernetes.cri-o.ContainerType": "container",
        "io.kubernetes.cri-o.ImageName": "registry.example/app:1",
        "io.kubernetes.pod.name": "web-1",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.pod.uid": uid,
    });
    let path = format!("/kubepods/besteffort/pod{uid}/crio-{id}");
    let bundle = |args: &[&str]| {
        Bundle::at(userdata.clone(), &id, args).annotations(annotations.clone()).cgroup(&path)
    };
    let who = Who {
        image: "registry.example/app:1".to_owned(),
        namespace: "shop".to_owned(),
        pod: "web-1".to_owned(),
        ..Who::new("cri-o", &id, "app")
    };
    let agent = Agent::start();
    let failing = bundle(&[GLIBC]);
    assert_ne!(runc.run(&failing).code, Some(0));
    who.failed(&agent);
    drop((agent, failing));
    let standing = bundle(&[STATIC, "sleep", "60s"]);
    runc.start(&standing);
    who.stands(&[&id[..20], &format!("cri-o://{id}"), "shop/web-1", "shop/web-1/app"]);
    drop((runc, standing));
    let _ = std::fs::remove_dir(userdata.parent().unwrap());
}

#[test]
fn containers_of_two_runtimes_with_one_name_are_told_apart() {
    let Some(runc) = Oci::new("runc") else { return skip("namesakes", "runc is not installed") };
    let dockers = Container::new("namesake", "scratch", &[STATIC, "serve"]);
    dockers.serve();
    let runc = runc.in_default_root();
    let bundle = Bundle::new(&dockers.name, &[STATIC, "sleep", "60s"]);
    runc.start(&bundle);
    let finished = run(gomon(&["diagnose", &dockers.name])).exits(2);
    assert!(finished.stderr.contains("fits 2 containers"), "{finished:#?}");
    assert!(finished.stderr.contains(&dockers.id()[..12]), "{finished:#?}");
    for (target, runtime) in [(format!("runc://{}", dockers.name), "runc"), (dockers.id(), "docker")] {
        let answer = run(gomon(&["diagnose", &target, "-o", "json", "--timeout", "300ms"])).exits(5).json();
        assert_eq!(answer["target"]["runtime"], runtime, "{answer:#}");
    }
}

#[test]
fn containers_of_two_runtimes_that_die_side_by_side_are_all_told_apart() {
    const EACH: usize = 30;
    let Some(runc) = Oci::new("runc") else { return skip("two runtimes", "runc is not installed") };
    let agent = Agent::start();
    fence(&agent);
    let unattributed = || agent.metrics().sum("gomon_events_unattributed_total", &[]);
    // Containers of other tests that were there when the agent began are not this test's.
    let before = unattributed();
    let bundles: Vec<Bundle> = (0..EACH).map(|_| Bundle::new(&unique("side"), &[GLIBC])).collect();
    let dockers: Vec<Container> =
        (0..EACH).map(|_| Container::new("side", "scratch", &[GLIBC]).with(&["--network", "host"])).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| bundles.iter().for_each(|bundle| drop(runc.run(bundle))));
        scope.spawn(|| dockers.iter().for_each(|container| drop(container.run())));
    });
    for bundle in &bundles {
        Who::new("runc", &bundle.id, &bundle.id).failed(&agent);
    }
    for one in &dockers {
        let id = one.id();
        Who { image: one.image.clone(), ..Who::new("docker", &id, &one.name) }.failed(&agent);
    }
    assert_eq!(unattributed(), before);
}

//! Who a container is: however short it lives, however often it restarts, whenever gomon came.

use std::{collections::BTreeSet, fs, sync::Mutex, thread};

use serde_json::Value;

use crate::support::{Agent, Container, Running, docker_ok, fence, play, scene, skip, unique, wait_for};

const STATIC: &str = "/app/probe.static";

#[test]
fn a_container_that_lives_for_a_moment_has_its_names() {
    let agent = Agent::start();
    let dir = tempfile::tempdir().unwrap();
    for (command, code) in [(&[STATIC, "sleep", "50ms"][..], 0), (&["/app/probe.glibc"], 1)] {
        let file = dir.path().join(unique("cid"));
        let container =
            Container::new("moment", "scratch", command).with(&["--rm", "--cidfile", file.to_str().unwrap()]);
        let ended = container.run().code.unwrap();
        assert!(ended == code || ended == 255, "{ended}");
        let id = fs::read_to_string(&file).unwrap();
        let labels = [
            ("container", container.name.as_str()),
            ("container_id", id.as_str()),
            ("image", container.image.as_str()),
            ("runtime", "docker"),
        ];
        wait_for("the container's names", || agent.metrics().sum("gomon_container_info", &labels));
        if code != 0 {
            let found = wait_for("the diagnosis", || agent.diagnoses(&id).pop());
            assert_eq!(found["target"]["name"], container.name.as_str());
            assert_eq!(found["target"]["image"], container.image.as_str());
            assert_eq!(found["pattern"], "missing-interpreter");
        }
    }
}

#[test]
fn a_container_that_was_there_before_gomon_is_found_and_not_taken_for_a_birth() {
    let old = Container::new("old", "scratch", &[STATIC, "ignore-term"]);
    old.serve();
    let id = old.id();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording.jsonl");
    let recording = Running::watching(&["record", "--output", file.to_str().unwrap()]);
    let agent = Agent::start();
    docker_ok(&["stop", "--time", "1", &old.name]);
    let found = wait_for("the diagnosis", || agent.diagnoses(&id).pop());
    assert_eq!(found["target"]["name"], old.name.as_str());
    assert_eq!(found["pattern"], "sigterm-ignored");
    recording.stop().exits(0);
    let births: Vec<Value> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| line.pointer("/observation/appeared").cloned())
        .filter(|appeared| appeared["run"]["container"] == id.as_str())
        .collect();
    assert_eq!(births.len(), 1, "{births:?}");
    assert_eq!(births[0]["from_birth"], false);
}

#[test]
fn an_agent_that_was_started_again_names_what_it_finds_and_owns_to_the_gap() {
    let before = Agent::start();
    let container = Container::new("survivor", "scratch", &[STATIC, "ignore-term"]);
    container.serve();
    let labels = [("container", container.name.as_str()), ("runtime", "docker")];
    wait_for("the container's names", || before.metrics().sum("gomon_container_info", &labels));
    before.stop().exits(0);
    let after = Agent::start();
    wait_for("its names again", || after.metrics().sum("gomon_container_info", &labels));
    let watch = Running::watching(&["diagnose", &container.name, "-o", "json", "--timeout", "10m"]);
    docker_ok(&["stop", "--time", "1", &container.name]);
    let found = wait_for("the diagnosis", || after.diagnoses(&container.id()).pop());
    assert_eq!(found["target"]["name"], container.name.as_str());
    assert_eq!(found["pattern"], "sigterm-ignored");
    let answer = watch.finish().json();
    assert_eq!(answer["coverage"]["attached_before_start"], false, "{answer:#}");
    assert!(!answer["coverage"]["blind"].as_array().unwrap().is_empty(), "{answer:#}");
}

#[test]
fn a_crash_loop_is_one_diagnosis_with_a_count() {
    let agent = Agent::start();
    let container = Container::new("loop", "scratch", &["/app/probe.glibc"]).with(&["--restart", "always"]);
    container.start();
    let id = container.id();
    let found = wait_for("the third repeat", || {
        let all = agent.diagnoses(&id);
        assert!(all.len() <= 1, "{all:#?}");
        all.into_iter().next().filter(|one| one["count"].as_u64() >= Some(3))
    });
    assert_eq!(found["pattern"], "missing-interpreter");
    assert_eq!(found["target"]["name"], container.name.as_str());
    assert!(found["first_seen"].as_str() < found["last_seen"].as_str(), "{found:#}");
    let labels = [("container", container.name.as_str()), ("pattern", "missing-interpreter")];
    let count = agent.metrics().sum("gomon_diagnoses_total", &labels);
    assert!(count >= Some(3.0), "{count:?}");
}

#[test]
fn forty_containers_that_die_at_their_start_are_forty_diagnoses_under_their_own_names() {
    const ALL: usize = 40;
    const AT_ONCE: usize = 4;
    let agent = Agent::start();
    fence(&agent);
    // On the host's network the runtime has the least to do: from birth to death it takes some 40 ms.
    let networks = ["host", "none"].into_iter().cycle().take(ALL);
    let dying =
        |network| Container::new("many", "scratch", &["/app/probe.glibc"]).with(&["--network", network]);
    let containers: Vec<Container> = networks.map(dying).collect();
    let unattributed = || agent.metrics().sum("gomon_events_unattributed_total", &[]);
    // Containers of other tests that were there when the agent began are not this test's.
    let before = unattributed();
    let waiting = Mutex::new(containers.iter());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(container) = { waiting.lock().unwrap().next() } {
                    container.run();
                }
            });
        }
    });
    let names: BTreeSet<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let own = |one: &Value| {
        names.contains(one["target"]["name"].as_str().unwrap_or_default()) && one["severity"] != "info"
    };
    let found = wait_for("all diagnoses", || {
        let all: Value = serde_json::from_str(&agent.get("/api/v1/diagnoses")).unwrap();
        let own: Vec<Value> =
            all["diagnoses"].as_array().unwrap().iter().filter(|one| own(one)).cloned().collect();
        (own.len() >= ALL).then_some(own)
    });
    assert_eq!(found.len(), ALL);
    for one in &found {
        assert_eq!((one["pattern"].as_str(), one["count"].as_u64()), (Some("missing-interpreter"), Some(1)));
        assert_eq!(one["confidence"], "certain", "{one:#}");
    }
    assert_eq!(unattributed(), before);
    let metrics = agent.metrics();
    for lost in ["lost_ring_full", "lost_unreadable"] {
        assert_eq!(metrics.sum("gomon_bpf_events_total", &[("result", lost)]), Some(0.0), "{lost}");
    }
}

#[test]
fn containers_are_told_apart_by_the_v1_memory_hierarchy_alone() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let is_memory = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        fields[2] == "cgroup" && fields[3].split(',').any(|option| option == "memory")
    };
    if !mounts.lines().any(is_memory) {
        return skip("cgroup v1", "this host has no v1 memory hierarchy");
    }
    let agent = Agent::start_with(&[("GOMON_FORCE_CGROUP_V1", "1")]);
    play(
        &agent,
        vec![
            scene("v1-loader", "scratch", &["/app/probe.glibc"], &[1, 255])
                .fails("missing-interpreter", &["/lib64/ld-linux-x86-64.so.2"]),
            scene("v1-oom", "scratch", &[STATIC, "leak"], &[137])
                .with(&["--memory", "32m"])
                .fails("oom-kill", &["PID 1"]),
            scene("v1-term", "scratch", &[STATIC, "ignore-term"], &[137])
                .fails("sigterm-ignored", &[STATIC])
                .severity("warning")
                .stopped("1"),
            scene("v1-command", "scratch", &["/app/sevrer"], &[127])
                .fails("entrypoint-not-found", &["/app/sevrer"]),
            scene("v1-healthy", "scratch", &[STATIC, "serve"], &[0]).stopped("10"),
        ],
    );
}

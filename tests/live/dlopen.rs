//! Libraries that programs load while they run: which failed is seen, and gomon's looking on changes nothing.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use gomon::{
    kernel::{
        cgroupfs::Hierarchy,
        load,
        uprobes::{self, Spot},
    },
    model::{
        container::{CgroupId, ContainerId, Run},
        time::{BootNs, SECOND},
    },
};
use serde_json::Value;

use crate::{
    probes::{events_of_run, only},
    support::{Agent, Container, Running, docker_ok, need_live_machine, wait_for},
};

const GLIBC: &str = "/app/probe.glibc";
const MUSL: &str = "/app/probe.musl";
const MISSING: &str = "libnone.so";
/// It is there, what it needs is not.
const HALF: &str = "/libs/libfoo.so";
/// It and all that it needs are there, a symbol is not: no open fails.
const UNDEFINED: &str = "/libs/libundef.so";
/// Loads others while it is loaded itself.
const NEST: &str = "/libs/libnest.so";
/// musl answers to the name itself.
const SOUND: &str = "libm.so.6";

/// The names that could not be loaded, in order.
fn failed(events: &[Value]) -> Vec<&str> {
    let failed = events.iter().filter(|event| event["type"] == "dlopen_failed");
    failed.map(|event| event["name"].as_str().unwrap()).collect()
}

#[test]
fn each_library_that_fails_to_load_is_one_event_with_its_name() {
    for (image, program) in [("bookworm", GLIBC), ("distroless", GLIBC), ("musl", MUSL)] {
        let command = [program, "dlopen", SOUND, MISSING, HALF, UNDEFINED];
        let events = events_of_run(image, &[], &command);
        assert_eq!(failed(&events), [MISSING, HALF, UNDEFINED], "{image}: {events:#?}");
        let event = only(&events, "dlopen_failed", |event| event["name"] == MISSING);
        // RTLD_NOW
        assert_eq!(
            (event["flags"].as_u64(), event["task"]["ns_pid"].as_u64()),
            (Some(2), Some(1)),
            "{image}"
        );
    }
}

#[test]
fn a_library_that_loads_others_while_it_is_loaded_finds_them_and_names_stay_apart() {
    let events = events_of_run("bookworm", &[], &[GLIBC, "dlopen", MISSING, NEST, "libafter.so"]);
    // libown.so is found through the search path of libnest.so alone: glibc knows by the return address who asks.
    assert_eq!(failed(&events), [MISSING, "libinner.so", "libafter.so"], "{events:#?}");
    // musl searches on behalf of the program whoever asks.
    let events = events_of_run("musl", &[], &[MUSL, "dlopen", MISSING, NEST, "libafter.so"]);
    assert_eq!(failed(&events), [MISSING, "libown.so", "libinner.so", "libafter.so"], "{events:#?}");
}

#[test]
fn a_container_that_runs_already_is_watched_from_then_on() {
    let container = Container::new("plugins", "bookworm", &[GLIBC, "serve"]);
    container.serve();
    let stream = Running::watching(&["events", &container.name, "--output", "jsonl"]);
    let of_it = || -> Vec<Value> { stream.lines().into_iter().map(|line| line["event"].clone()).collect() };
    wait_for("a failing call to be seen", || {
        docker_ok(&["exec", &container.name, GLIBC, "dlopen", MISSING]);
        failed(&of_it()).contains(&MISSING).then_some(())
    });
}

#[test]
fn every_return_of_dlopen_is_accounted_for() {
    let agent = Agent::start();
    Container::new("plugins", "bookworm", &[GLIBC, "dlopen", SOUND, MISSING, HALF, UNDEFINED]).run();
    let attached = [("probe", "dlopen_failed")];
    assert_eq!(agent.metrics().sum("gomon_probe_attached", &attached), Some(1.0));
    wait_for("the account to balance", || {
        let metrics = agent.metrics();
        let of = |result| {
            let labels = [("probe", "dlopen_failed"), ("result", result)];
            metrics.sum("gomon_bpf_events_total", &labels).unwrap()
        };
        let lost: f64 = ["lost_ring_full", "lost_unreadable", "lost_flood"].into_iter().map(of).sum();
        let is_balanced = (of("seen") - of("filtered") - of("submitted") - lost).abs() < 0.5;
        (is_balanced && of("submitted") >= 3.0 && of("filtered") >= 1.0).then_some(())
    });
}

#[test]
fn breakpoints_are_shared_and_go_when_nobody_needs_them() {
    need_live_machine();
    let hierarchy = Hierarchy::of_host(Path::new("/proc"), false).unwrap();
    let (mut ebpf, btf) = load::load_maps(&hierarchy, 0).unwrap();
    let uprobes = uprobes::load(&mut ebpf, &btf).1.unwrap();
    let mut library = tempfile::tempfile().unwrap();
    library.write_all(&[0x90; 4096]).unwrap();
    let spots = ["dlopen_called", "dlopen_returns", "dlopen_returns"].into_iter().zip([0, 8, 16]);
    let spots: Vec<Spot> = spots.map(|(program, offset)| Spot { program, offset }).collect();
    // What was tried out goes first. Other tests of this process try theirs out meanwhile.
    uprobes.forget(BootNs(0));
    let there_are = |count| wait_for("the breakpoints", || (breakpoints() == count).then_some(()));
    there_are(0);
    let run = |cgroup| Run { container: ContainerId("web".into()), cgroup: CgroupId(cgroup) };
    for cgroup in [1, 2] {
        uprobes.watch(&run(cgroup), &library, &spots).unwrap();
        there_are(spots.len());
        uprobes.gone(&run(cgroup), BootNs(0));
        uprobes.forget(BootNs(SECOND));
    }
    uprobes.forget(BootNs(60 * SECOND));
    there_are(0);
    let refused = uprobes.watch(&run(3), &File::open("/proc/self/maps").unwrap(), &spots);
    assert!(refused.unwrap_err().contains("refuses"), "no file that could be executed");
}

/// How many this process has set.
fn breakpoints() -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.display().to_string()).filter(|link| link == "anon_inode:[perf_event]").count()
}

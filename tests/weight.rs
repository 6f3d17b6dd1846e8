//! What one container costs in memory, and one event in the rings and in allocations. No time is taken: growth shows in
//! review, as a change of `tests/snapshots/weight.txt` (`GOMON_UPDATE_SNAPSHOTS=1` writes it anew).
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env,
    fmt::Write as _,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use gomon::{
    decode::Decoder,
    engine::Engine,
    model::{observation::Observation, time::BootEpoch},
    recording::Reader,
    sink::{
        metrics::{Build, DEFAULT_MAX_SERIES, Metrics},
        shared::Shared,
    },
};
use monitor_common::{limits, path::PathClass, probe::Probe, record};
use zerocopy::{FromZeros as _, IntoBytes as _};

/// Counts what is allocated and not given back.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's pointer and layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Enough that the tables' own growth evens out.
const CONTAINERS: usize = 200;
/// Bytes of one container are told in steps: tables of different sizes differ a little.
const STEP_BYTES: usize = 256;
/// The container of all scenarios.
const ID: &str = "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";

/// A scenario as many containers play it that live on, each under its own id.
fn lives(scenario: &str) -> Vec<Vec<Observation>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios").join(scenario);
    let text = fs::read_to_string(path).unwrap();
    let life = |number: usize| {
        let own = text.replace(ID, &format!("{number:064x}"));
        let all = Reader::open(own.as_bytes()).unwrap().map(Result::unwrap);
        all.filter(|observation| !matches!(observation, Observation::Vanished { .. })).collect()
    };
    (0..CONTAINERS).map(life).collect()
}

fn shared() -> Shared {
    let build = Build { version: "0", revision: "0", rust_version: "0" };
    let epoch = BootEpoch(0);
    Shared::new(Metrics::new(build, epoch, DEFAULT_MAX_SERIES).unwrap(), epoch)
}

/// Bytes that the engine and the agent's snapshot keep of one container.
fn bytes_of_container(scenario: &str) -> usize {
    let lives = lives(scenario);
    let shared = shared();
    let mut engine = Engine::new();
    let before = LIVE.load(Ordering::Relaxed);
    for observation in lives.iter().flatten() {
        let step = engine.observe(observation);
        shared.observe(observation);
        for change in &step.changes {
            let diagnosis = change.diagnosis();
            let identity = engine.case(&diagnosis.container).map(|case| case.identity.clone());
            shared.diagnosed(diagnosis, &identity.unwrap_or_default());
        }
    }
    let after = LIVE.load(Ordering::Relaxed);
    let bytes = (after - before) / CONTAINERS;
    assert!(bytes > 0, "nothing was kept of {scenario}");
    bytes.next_multiple_of(STEP_BYTES)
}

/// A record of a loader that looks for a library in vain.
fn missed_library() -> Vec<u8> {
    let mut open = record::Open::new_zeroed();
    open.head.header.kind = Probe::Open as u32;
    open.head.header.tgid = 77;
    open.head.header.comm[..3].copy_from_slice(b"app");
    open.head.result = -2;
    open.head.class = PathClass::SharedLibrary as u32;
    open.path[..24].copy_from_slice(b"/usr/local/lib/libfoo.so");
    open.as_bytes().iter().copied().take(size_of::<record::OpenHead>() + 25).collect()
}

/// Allocations of a hundred such events on their way through, when the first ones have gone it.
fn allocations_of_events() -> usize {
    let life = lives("sigterm-ignored/near-miss.jsonl").swap_remove(0);
    let is_birth = |observation: &&Observation| matches!(observation, Observation::Appeared { .. });
    let Some(Observation::Appeared { run, .. }) = life.iter().find(is_birth).cloned() else { unreachable!() };
    let (mut engine, mut decoder, record) = (Engine::new(), Decoder::default(), missed_library());
    let shared = shared();
    for observation in &life {
        engine.observe(observation);
        shared.observe(observation);
    }
    let mut pass = |times: usize| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..times {
            let event = decoder.event(&record).unwrap();
            let observation = Observation::Happened { run: run.clone(), event };
            assert!(engine.observe(&observation).changes.is_empty());
            shared.observe(&observation);
            shared.metrics(|metrics| metrics.placed(std::time::Duration::ZERO));
        }
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    assert!(pass(100) > 0, "the first ones are remembered");
    pass(100)
}

#[test]
fn a_container_and_an_event_weigh_what_they_did() {
    let mut text = String::from("# bytes of one running container in the agent\n");
    for scenario in [
        "sigterm-ignored/near-miss.jsonl",
        "no-ca-certificates/fires.jsonl",
        "missing-interpreter/fires.jsonl",
        "missing-library/near-miss-plugin-child.jsonl",
    ] {
        writeln!(text, "{scenario} {}", bytes_of_container(scenario)).unwrap();
    }
    writeln!(text, "# allocations of 100 events that repeat\n{}", allocations_of_events()).unwrap();
    text.push_str("# bytes of one record in a ring; an open is as long as its path\n");
    for (name, bytes) in [
        ("cgroup_made", size_of::<record::CgroupMade>()),
        ("cgroup_removed", size_of::<record::Cgroup>()),
        ("exec", size_of::<record::Exec>()),
        ("exec_failed", size_of::<record::ExecFailed>()),
        ("exit", size_of::<record::Exit>()),
        ("flood", size_of::<record::Flood>()),
        ("oom_kill", size_of::<record::OomKill>()),
        ("open, without its path", size_of::<record::OpenHead>()),
        ("signal_delivered", size_of::<record::SignalDelivered>()),
        ("signal_sent", size_of::<record::SignalSent>()),
        ("tls_alert", size_of::<record::TlsAlert>()),
    ] {
        writeln!(text, "{name} {bytes}").unwrap();
    }
    writeln!(text, "# bytes of the rings\n{}", limits::PRECIOUS_RING_BYTES + limits::ORDINARY_RING_BYTES)
        .unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/snapshots/weight.txt");
    if env::var_os("GOMON_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, before, "GOMON_UPDATE_SNAPSHOTS=1 writes {} anew", path.display());
}

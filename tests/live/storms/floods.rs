//! A container that makes more events than gomon takes in: the others lose nothing, and it is told of itself.

use crate::support::{Agent, Container, Running, docker_ok, wait_for};

/// Opens that the flooding program makes, many times what is taken in from one container.
const OPENS: &str = "100000";

#[test]
fn a_flood_costs_other_containers_none_of_their_events_and_is_counted() {
    let agent = Agent::start();
    let flooding = Container::new("flooding", "scratch", &["/app/probe.static", "flood", OPENS]);
    let failing = Container::new("beside", "scratch", &["/app/probe.glibc"]);
    flooding.start();
    failing.run();
    let found = wait_for("the other container's diagnosis", || agent.diagnoses(&failing.id()).pop());
    assert_eq!(found["pattern"], "missing-interpreter");
    let of = |probe, result| {
        let labels = [("probe", probe), ("result", result)];
        agent.metrics().sum("gomon_bpf_events_total", &labels).unwrap_or_default()
    };
    wait_for("the flood to be counted, by the kernel and by the agent", || {
        let dropped = [("stage", "kernel"), ("reason", "flood")];
        let told = agent.metrics().sum("gomon_events_dropped_total", &dropped).unwrap_or_default();
        (told > 0.0 && of("open", "lost_flood") > 0.0).then_some(())
    });
    assert!(of("flood", "submitted") >= 1.0);
    for (probe, result) in
        [("open", "lost_ring_full"), ("exec_failed", "lost_flood"), ("exec_failed", "lost_ring_full")]
    {
        assert!(of(probe, result) < 1.0, "{probe} {result}");
    }
}

#[test]
fn the_answer_about_a_flooding_container_says_what_was_kept_back() {
    let script = format!(
        "echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; exec /app/probe.static flood {OPENS}"
    );
    let flooding = Container::new("flooded", "musl", &["/bin/sh", "-c", &script]);
    flooding.serve();
    let watch = Running::watching(&["diagnose", &flooding.name, "-o", "json", "--timeout", "10m"]);
    docker_ok(&["exec", &flooding.name, "touch", "/tmp/go"]);
    let answer = watch.finish().exits(5).json();
    assert_eq!(answer["verdict"], "inconclusive");
    assert!(answer["coverage"]["events_lost"].as_u64().unwrap() > 0, "{answer:#}");
}

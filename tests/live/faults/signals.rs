//! Signals at bad moments: under load, while nobody is there to listen, and the one that nobody survives.

use std::thread;

use rustix::process::Signal;

use super::{broken, is_named};
use crate::support::{Agent, Container, fence, gomon};

/// Containers that fail one after another while `meanwhile` runs.
fn failing_while(what: &str, count: usize, meanwhile: impl FnOnce()) -> Vec<Container> {
    thread::scope(|scope| {
        let failing = scope.spawn(|| {
            let each = |_| {
                let container = broken(what);
                container.run();
                container
            };
            (0..count).map(each).collect()
        });
        meanwhile();
        failing.join().expect("the containers run")
    })
}

#[test]
fn an_agent_that_is_told_to_reload_under_load_loses_nothing() {
    let agent = Agent::start();
    let containers = failing_while("hangup", 4, || {
        for _ in 0..50 {
            agent.signal(Signal::HUP);
            // Each one is read, or falls together with the one before.
            agent.get("/healthz");
        }
    });
    for container in &containers {
        is_named(&agent, container);
    }
    let metrics = agent.metrics();
    for probe in ["exec_failed", "cgroup_made", "exit"] {
        let lost = metrics.sum("gomon_bpf_events_total", &[("probe", probe), ("result", "lost_ring_full")]);
        assert_eq!(lost, Some(0.0), "{probe}");
    }
    agent.stop().exits(0);
}

#[test]
fn an_agent_that_is_told_to_stop_under_load_ends_well() {
    let agent = Agent::start();
    let mut agent = Some(agent);
    failing_while("stopping", 3, || {
        let finished = agent.take().map(Agent::stop).expect("it runs").exits(0);
        assert!(finished.stderr.contains("gomon stopped"), "{finished:#?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:#?}");
    });
}

#[test]
fn an_agent_that_was_stopped_for_a_while_goes_on_and_judges_nobody_wrongly() {
    let agent = Agent::start();
    fence(&agent);
    agent.signal(Signal::STOP);
    let meanwhile = [broken("paused"), Container::new("paused", "scratch", &[super::STATIC, "ok"])];
    for container in &meanwhile {
        container.run();
    }
    agent.signal(Signal::CONT);
    let after = broken("resumed");
    after.run();
    is_named(&agent, &after);
    // Its files may have been gone before anybody could look: then nothing is said of it.
    let of = |container: &Container| agent.diagnoses(&container.id());
    let wrong = |one: &serde_json::Value| one["pattern"] != "missing-interpreter";
    assert!(!of(&meanwhile[0]).iter().any(wrong), "{:#?}", of(&meanwhile[0]));
    assert_eq!(of(&meanwhile[1]), Vec::<serde_json::Value>::new());
    assert_eq!(agent.get("/readyz"), "ready\n");
}

#[test]
fn after_a_killed_agent_the_next_one_starts_clean_at_the_same_place() {
    let agent = Agent::start();
    let (address, socket) = (agent.address, agent.socket());
    let dir = agent.kill();
    assert!(socket.exists(), "nobody was there to remove it");
    let mut command = gomon(&["agent", "--listen", &address.to_string()]);
    command.arg("--config").arg(dir.path().join("gomon.yaml")).arg("--socket").arg(&socket);
    let agent = Agent::launch(command, address, dir).ready();
    let container = broken("next");
    container.run();
    is_named(&agent, &container);
    let said = agent.log();
    assert!(!said.contains("no unix socket"), "{said}");
    let pinned = std::fs::read_dir("/sys/fs/bpf").into_iter().flatten().flatten();
    let pinned: Vec<_> = pinned.map(|entry| entry.file_name()).collect();
    assert!(pinned.iter().all(|name| !name.to_string_lossy().contains("gomon")), "{pinned:?}");
    agent.stop().exits(0);
    assert!(!socket.exists());
}

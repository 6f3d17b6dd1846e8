//! An agent that starts while containers come and go: it may be too late for some, and wrong about none.

use std::thread;

use serde_json::Value;

use super::{STATIC, broken, is_named};
use crate::support::{Agent, Container, fence};

/// Containers in each of the two rows, one of which fails.
const EACH: usize = 20;
/// So many of each row come before the agent.
const BEFORE: usize = 5;

#[test]
fn an_agent_that_starts_in_a_storm_of_containers_is_wrong_about_none() {
    let failing: Vec<Container> = (0..EACH).map(|_| broken("storm").with(&["--network", "host"])).collect();
    let healthy: Vec<Container> = (0..EACH)
        .map(|_| Container::new("storm", "scratch", &[STATIC, "ok"]).with(&["--network", "host"]))
        .collect();
    let (late, agent) = thread::scope(|scope| {
        let (goes, is_under_way) = std::sync::mpsc::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let failing = &failing;
        let row = scope.spawn(move || {
            let mut first_late = failing.len();
            for (at, container) in failing.iter().enumerate() {
                if at == BEFORE {
                    let _ = goes.send(());
                }
                if first_late == failing.len() && is_ready.try_recv().is_ok() {
                    first_late = at;
                }
                container.run();
            }
            first_late
        });
        scope.spawn(|| healthy.iter().for_each(|container| drop(container.run())));
        is_under_way.recv().expect("the row begins");
        let agent = Agent::start();
        let _ = ready.send(());
        (row.join().expect("the containers run"), agent)
    });
    fence(&agent);
    for container in &failing[late..] {
        is_named(&agent, container);
    }
    for container in &failing[..late] {
        let found = agent.diagnoses(&container.id());
        let wrong = |one: &Value| one["pattern"] != "missing-interpreter";
        assert!(found.len() <= 1 && !found.iter().any(wrong), "{}: {found:#?}", container.name);
    }
    for container in &healthy {
        let found = agent.diagnoses(&container.id());
        assert!(found.is_empty(), "{}: {found:#?}", container.name);
    }
}

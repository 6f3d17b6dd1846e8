//! Containers in which all is well, as many kinds as came to mind: a verdict about any of them is a false alarm.

mod files;
mod network;
mod resources;
mod runtimes;
mod signals;
mod starts;
mod trust;

use crate::support::{Agent, Scene, play, scene};

const STATIC: &str = "/app/probe.static";
const GLIBC: &str = "/app/probe.glibc";
const MUSL: &str = "/app/probe.musl";
const OK: &[i32] = &[0];

/// Fewer would leave whole kinds of containers out.
const AT_LEAST: usize = 100;

#[test]
fn nothing_is_said_above_info_about_healthy_containers_and_no_event_is_lost() {
    let agent = Agent::start();
    let scenes: Vec<Scene> = [
        starts::scenes(),
        runtimes::scenes(),
        trust::scenes(),
        signals::scenes(),
        files::scenes(),
        network::scenes(),
        resources::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(scenes.len() >= AT_LEAST, "{} healthy containers", scenes.len());
    play(&agent, scenes);
    let metrics = agent.metrics();
    // A flood is braked for its own container alone; another test beside this one makes one.
    for lost in ["lost_ring_full", "lost_unreadable"] {
        assert_eq!(metrics.sum("gomon_bpf_events_total", &[("result", lost)]), Some(0.0), "{lost}");
    }
}

/// One that runs to its end, which is good.
fn ends(what: &str, image: &'static str, command: &'static [&'static str]) -> Scene {
    scene(what, image, command, OK)
}

/// One that serves until it is stopped, and then ends well.
fn serves(what: &str, image: &'static str, command: &'static [&'static str]) -> Scene {
    scene(what, image, command, OK).stopped("10")
}

//! The kernel refuses one probe: it is told, the others go on, and what rests on it is in doubt.

use std::fs;

use super::{STATIC, broken};
use crate::support::{Agent, Container, Running, gomon, run, wait_for};

#[test]
fn a_refused_probe_is_told_and_the_others_go_on() {
    let (mut command, address, dir) = super::agent_line();
    command.env("GOMON_HOOKS_OFF", "mark_victim");
    let agent = Agent::launch(command, address, dir);
    let (status, why) = wait_for("the agent to say so", || {
        agent.ask("/readyz").filter(|(_, why)| why.contains("mark_victim"))
    });
    assert_eq!(status, 503);
    assert!(why.contains("OOM kills"), "{why}");
    assert!(agent.log().contains("a probe is off"), "{}", agent.log());
    let container = broken("others");
    container.run();
    super::is_named(&agent, &container);
    let metrics = agent.metrics();
    let attached = |probe| metrics.sum("gomon_probe_attached", &[("probe", probe)]);
    assert_eq!((attached("oom_kill"), attached("exec_failed")), (Some(0.0), Some(1.0)));
    let blind = |pattern| metrics.sum("gomon_pattern_blind", &[("pattern", pattern)]);
    assert_eq!((blind("oom-kill"), blind("missing-interpreter")), (Some(1.0), Some(0.0)));
}

#[test]
fn without_a_probe_a_healthy_container_is_not_called_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording.jsonl");
    let mut command = gomon(&["-v", "record", "--output"]);
    command.arg(&file).env("GOMON_HOOKS_OFF", "mark_victim");
    let recording = Running::start(command);
    wait_for("the recording", || recording.stderr().contains("recording to").then_some(()));
    let container = Container::new("healthy", "scratch", &[STATIC, "ok"]);
    assert_eq!(container.run().code, Some(0));
    let id = container.id();
    wait_for("its end in the recording", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().any(|line| line.contains("vanished") && line.contains(&id)).then_some(())
    });
    recording.stop().exits(0);
    let mut replay = gomon(&["replay"]);
    replay.arg(&file).args(["-c", &container.name, "-o", "json"]);
    let answer = run(replay).exits(5).json();
    assert_eq!(answer["verdict"], "inconclusive", "{answer:#}");
    let blind = answer["coverage"]["blind"].as_array().unwrap();
    let about_oom = blind.iter().find(|one| one["what"] == "probe oom_kill");
    let about_oom = about_oom.unwrap_or_else(|| panic!("{answer:#}"));
    assert!(about_oom["patterns"].as_array().unwrap().contains(&"oom-kill".into()), "{about_oom}");
}

#[test]
fn a_hook_that_does_not_exist_cannot_be_left_out() {
    let (mut command, _, _dir) = super::agent_line();
    command.env("GOMON_HOOKS_OFF", "mark_victims");
    let finished = run(command).exits(2);
    assert!(finished.stderr.contains("the hooks are cgroup_mkdir"), "{finished:#?}");
}

//! `gomon events`, `gomon record` and `gomon replay` over the same containers.

use std::{fs, io, path::Path};

use serde_json::{Value, json};

use crate::support::{Agent, Container, Running, gomon, run, wait_for};

const STATIC: &str = "/app/probe.static";

#[test]
fn events_of_one_container_are_lines_of_json_about_it_alone() {
    let (asked, other) = (
        Container::new("asked", "scratch", &["/app/probe.glibc"]),
        Container::new("other", "scratch", &["/app/probe.glibc"]),
    );
    let all = Running::watching(&["events", "-o", "jsonl"]);
    let one = Running::watching(&["events", "--container", &asked.name, "-o", "jsonl"]);
    asked.run();
    other.run();
    let ended = |stream: &Running, container: &Container| {
        let ends = |line: &Value| {
            line["container"] == container.name.as_str() && line["event"]["type"] == "cgroup_removed"
        };
        stream.lines().iter().any(ends).then_some(())
    };
    wait_for("the end of the one", || ended(&one, &asked));
    wait_for("the end of the other", || ended(&all, &other));
    let lines = one.lines();
    let id = asked.id();
    for line in &lines {
        assert_eq!(
            (line["container"].as_str(), line["container_id"].as_str()),
            (Some(&*asked.name), Some(&*id))
        );
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    }
    let failed: Vec<&Value> = lines.iter().filter(|line| line["event"]["type"] == "exec_failed").collect();
    assert_eq!(failed.len(), 1, "{lines:#?}");
    all.stop().exits(0);
    let finished = one.stop().exits(0);
    assert!(finished.stdout.ends_with('\n'));
}

#[test]
fn events_for_people_are_one_line_each() {
    let stream = Running::watching(&["events"]);
    let container = Container::new("columns", "scratch", &["/app/probe.glibc"]);
    container.run();
    let is_failure = |line: &str| line.contains("exec_failed") && line.contains("/app/probe.glibc ENOENT");
    wait_for("the failed exec", || stream.stdout().lines().any(is_failure).then_some(()));
    let finished = stream.stop().exits(0);
    assert!(!finished.stdout.contains('\u{1b}'), "no colours for a file");
}

#[test]
fn a_timeout_ends_a_stream_and_a_recording() {
    run(gomon(&["events", "--timeout", "1s"])).exits(0);
    run(gomon(&["record", "--output", "/dev/null", "--timeout", "1s"])).exits(0);
}

/// The parts of a diagnosis that do not depend on whose clock was read.
fn essence(one: &Value) -> Value {
    let facts: Vec<&Value> = one["evidence"].as_array().unwrap().iter().map(|e| &e["fact"]).collect();
    json!([
        one["pattern"],
        one["severity"],
        one["confidence"],
        one["subject"],
        one["summary"],
        one["remedy"],
        one["count"],
        facts
    ])
}

/// `gomon replay FILE -o json`, one container a document.
fn replay(file: &Path, container: &str) -> (String, Value) {
    let finished = run(gomon(&["replay", file.to_str().unwrap(), "-c", container, "-o", "json"])).exits(1);
    let document = finished.json();
    (finished.stdout, document)
}

#[test]
fn a_recording_replays_to_what_the_agent_said_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording.jsonl");
    let agent = Agent::start();
    let recording = Running::watching(&["record", "--output", file.to_str().unwrap()]);
    let containers = [
        Container::new("loader", "scratch", &["/app/probe.glibc"]),
        Container::new("library", "bookworm", &["/app/probe.needfoo"]),
        Container::new("memory", "scratch", &[STATIC, "leak"]).with(&["--memory", "32m"]),
        Container::new("roots", "scratch", &[STATIC, "tls-local"]),
    ];
    for container in &containers {
        container.run();
    }
    let last = containers.last().map(Container::id).unwrap();
    wait_for("the last diagnosis", || (!agent.diagnoses(&last).is_empty()).then_some(()));
    recording.stop().exits(0);
    for container in &containers {
        let said = agent.remarks_and_diagnoses(&container.id());
        let (first, document) = replay(&file, &container.name);
        let (second, _) = replay(&file, &container.name);
        assert_eq!(first, second);
        let replayed = document["diagnoses"].as_array().unwrap();
        let essences = |all: &[Value]| all.iter().map(essence).collect::<Vec<_>>();
        assert_eq!(essences(replayed), essences(&said));
        assert_eq!(document["target"]["name"], container.name.as_str());
        assert_eq!(document["coverage"]["attached_before_start"], true);
    }
}

#[test]
fn a_recording_of_one_container_holds_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording.jsonl");
    let script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; exec /app/probe.glibc";
    let asked = Container::new("recorded", "musl", &["/bin/sh", "-c", script]);
    asked.serve();
    let recording = Running::watching(&["record", &asked.name, "--output", file.to_str().unwrap()]);
    Container::new("bystander", "scratch", &["/app/probe.glibc"]).run();
    crate::support::docker_ok(&["exec", &asked.name, "touch", "/tmp/go"]);
    asked.wait();
    let id = asked.id();
    wait_for("its end in the recording", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        (text.contains("\"vanished\"")).then_some(())
    });
    recording.stop().exits(0);
    for line in fs::read_to_string(&file).unwrap().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let of = value.pointer("/observation").and_then(Value::as_object).and_then(|one| one.values().next());
        let container = of.and_then(|one| one.pointer("/run/container"));
        assert!(container.is_none_or(|container| *container == id.as_str()), "{line}");
    }
    let (_, document) = replay(&file, &asked.name);
    assert_eq!(document["diagnoses"][0]["pattern"], "missing-interpreter");
}

#[test]
fn a_recording_that_cannot_be_written_is_one_clear_error() {
    let finished = run(gomon(&["record", "--output", "/dev/full", "--timeout", "30s"])).exits(2);
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:#?}");
    assert!(
        finished.stderr.contains("/dev/full") && finished.stderr.contains("No space left"),
        "{finished:#?}"
    );
    let finished = run(gomon(&["record", "--output", "/no/such/directory/file"])).exits(2);
    assert!(finished.stderr.contains("/no/such/directory/file"), "{finished:#?}");
    let missing = io::Error::from_raw_os_error(2).to_string();
    assert!(finished.stderr.contains(&missing), "{finished:#?}");
}

#[test]
fn a_recording_whose_writer_was_killed_replays_up_to_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording.jsonl");
    let recording = Running::watching(&["record", "--output", file.to_str().unwrap()]);
    let container = Container::new("cut", "scratch", &["/app/probe.glibc"]);
    container.run();
    let id = container.id();
    wait_for("its end in the recording", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().any(|line| line.contains("vanished") && line.contains(&id)).then_some(())
    });
    drop(recording);
    let finished =
        run(gomon(&["replay", file.to_str().unwrap(), "-c", &container.name, "-o", "json"])).exits(5);
    assert_eq!(finished.json()["diagnoses"][0]["pattern"], "missing-interpreter");
    assert!(finished.stderr.contains("not whole"), "{finished:#?}");
}

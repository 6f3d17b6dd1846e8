//! System calls that a seccomp profile refuses, and calls that fail with the same errno for another reason.

use std::process::Command;

use serde_json::Value;

use crate::support::{Agent, Container, Scene, docker, play, said, scene, wait_for};

const STATIC: &str = "/app/probe.static";
const OK: &[i32] = &[0];
const FAILED: &[i32] = &[1];
/// Ended by SIGSYS.
const BAD_CALL: &[i32] = &[159];
/// A fatal error of the Go runtime.
const FATAL: &[i32] = &[2];
const UNCONFINED: &[&str] = &["--security-opt", "seccomp=unconfined"];

/// `docker run` with one of the profiles beside the fixtures: everything is allowed but what its name says.
fn under(profile: &str, one: Scene) -> Scene {
    let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/live/fixtures/seccomp");
    one.with(&["--security-opt", &format!("seccomp={profiles}/{profile}.json")])
}

#[test]
fn a_call_that_the_profile_refuses_is_named_with_what_came_of_it() {
    const ID: &str = "seccomp-denied";
    const CHMOD: &[&str] = &[STATIC, "chmod", STATIC];
    const MUST_CHMOD: &[&str] = &[STATIC, "must-chmod", STATIC];
    const MOUNTS: &[&str] = &["/bin/sh", "-c", "mount -t tmpfs none /mnt; exec /app/probe.static ok"];
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("must", "scratch", &[STATIC, "must-mount-tmpfs", "/app"], FAILED)
                .fails(ID, &["mount", STATIC, "EPERM", "exited with code 1"]),
            scene("goes-on", "scratch", &[STATIC, "mount-tmpfs", "/app"], OK)
                .fails(ID, &["mount", STATIC, "EPERM"])
                .severity("warning"),
            scene("child", "musl", MOUNTS, OK).fails(ID, &["mount", "EPERM"]).severity("warning"),
            under("chmod-errno", scene("errno", "scratch", MUST_CHMOD, FAILED))
                .fails(ID, &["fchmodat", STATIC]),
            under("chmod-kill", scene("kill", "scratch", CHMOD, BAD_CALL))
                .fails(ID, &["fchmodat", "was killed"]),
            under("chmod-trap", scene("trap", "scratch", CHMOD, FATAL))
                .fails(ID, &["fchmodat", "SIGSYS", "code 2"]),
            // It is another user's file.
            scene("owner", "scratch", MUST_CHMOD, FAILED).with(&["--user", "1000"]),
            scene("capability", "scratch", &[STATIC, "must-mount-tmpfs", "/app"], FAILED).with(UNCONFINED),
            under("chmod-enosys", scene("enosys", "scratch", CHMOD, OK)),
            scene("exit-159", "scratch", &[STATIC, "exit", "159"], BAD_CALL),
        ],
    );
}

#[test]
fn a_thread_that_a_filter_ends_is_told_while_the_program_hangs() {
    let agent = Agent::start();
    let profile = concat!(
        "seccomp=",
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/live/fixtures/seccomp/chmod-kill-thread.json"
    );
    let hangs =
        Container::new("hangs", "scratch", &[STATIC, "chmod", STATIC]).with(&["--security-opt", profile]);
    assert_eq!(hangs.start().code, Some(0));
    let id = hangs.id();
    let found = wait_for("the diagnosis", || agent.diagnoses(&id).pop());
    assert_eq!(
        (found["pattern"].as_str(), found["severity"].as_str()),
        (Some("seccomp-denied"), Some("error"))
    );
    assert!(found["summary"].as_str().unwrap().contains("ended the thread"), "{found:#}");
    assert_eq!(hangs.inspect("{{.State.Status}}"), "running");
    // Docker takes it for ended and would leave it running.
    said(Command::new("kill").args(["-KILL", &hangs.pid().to_string()]));
}

#[test]
fn clone3_under_an_old_profile_is_told_from_its_healthy_fallback() {
    const ID: &str = "clone3-denied";
    const GLIBC: &[&str] = &["/app/probe.glibc", "ok"];
    let agent = Agent::start();
    play(
        &agent,
        vec![
            under("clone3-errno", scene("eperm", "bookworm", GLIBC, FATAL))
                .fails(ID, &["clone3", "/app/probe.glibc", "could not start a thread"]),
            under("clone3-enosys", scene("enosys", "bookworm", GLIBC, OK)),
            scene("default", "bookworm", GLIBC, OK),
            under("clone3-errno", scene("static", "bookworm", &[STATIC, "ok"], OK)),
        ],
    );
}

#[test]
fn a_program_whose_execve_the_profile_refuses_is_told_so() {
    const ID: &str = "exec-not-permitted";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            under("execve-errno", scene("execve", "scratch", &[STATIC, "ok"], &[1, 255]))
                .fails(ID, &["seccomp", STATIC, "answers execve with EPERM"]),
        ],
    );
}

/// What is said of a debugger in the container with this id.
fn remark(agent: &Agent, id: &str) -> Option<Value> {
    agent.remarks_and_diagnoses(id).into_iter().find(|one| one["pattern"] == "ptrace-denied")
}

#[test]
fn who_refuses_a_debugger_is_told() {
    let agent = Agent::start();
    let profile =
        concat!("seccomp=", env!("CARGO_MANIFEST_DIR"), "/../tests/live/fixtures/seccomp/ptrace-errno.json");
    let filtered =
        Container::new("filtered", "scratch", &[STATIC, "ptrace"]).with(&["--security-opt", profile]);
    assert_eq!(filtered.run().code, Some(0));
    let said = wait_for("the remark", || remark(&agent, &filtered.id()));
    assert!(said["subject"].as_str().unwrap().ends_with(": seccomp"), "{said:#}");
    let served = Container::new("other-user", "scratch", &[STATIC, "serve"]).with(&["--user", "1000"]);
    served.serve();
    let attach = |user| docker(&["exec", "--user", user, &served.name, STATIC, "must-ptrace", "1"]);
    assert_eq!(attach("1000").code, Some(0));
    assert_eq!(remark(&agent, &served.id()), None, "its own user may");
    assert_eq!(attach("0").code, Some(1));
    let said = wait_for("the remark", || remark(&agent, &served.id()));
    assert!(said["subject"].as_str().unwrap().ends_with(": credentials"), "{said:#}");
    assert_eq!((said["severity"].as_str(), said["confidence"].as_str()), (Some("info"), Some("certain")));
}

//! Stops that do not reach the program, and children that nobody waits for, beside healthy containers that look alike.

use std::path::Path;

use crate::support::{Agent, play, scene};

const STATIC: &str = "/app/probe.static";
const OK: &[i32] = &[0];
/// Ended by SIGKILL.
const KILLED: &[i32] = &[137];
/// An init ends as its child did.
const AS_CHILD: &[i32] = &[143];
const INIT: &[&str] = &["--init"];

#[test]
fn a_stop_that_cuts_the_go_program_off_is_told_from_one_that_reaches_it() {
    const ID: &str = "sigterm-lost-behind-wrapper";
    const SHELL: &[&str] = &["/bin/sh", "-c", "/app/probe.static serve; true"];
    const TO_ALL: &[&str] = &["/init", "-g", "--", "/bin/bash", "-c", "/app/probe.static slow-term 5s; true"];
    const HASTY: &[&str] =
        &["/bin/sh", "-c", "/app/probe.static slow-term 5s & trap \"kill $!; exit 0\" TERM; wait"];
    const PATIENT: &[&str] =
        &["/bin/sh", "-c", "/app/probe.static slow-term 100ms & trap \"kill $!; wait\" TERM; wait"];
    const HELPER: &[&str] = &["/bin/sh", "-c", "/app/probe.static no-handler & exec /app/probe.static serve"];
    const BRIEF: &[&str] = &["/bin/sh", "-c", "/app/probe.static no-handler & sleep 1"];
    let tini = &["--volume", "/usr/bin/docker-init:/init:ro"];
    assert!(Path::new("/usr/bin/docker-init").exists(), "the init that comes with Docker");
    let cut_off = |one: crate::support::Scene, says| {
        one.fails(ID, says).severity("warning").confidence("high").stopped("10")
    };
    let agent = Agent::start();
    play(
        &agent,
        vec![
            cut_off(
                scene("init", "musl", SHELL, AS_CHILD).with(INIT),
                &[STATIC, "got no SIGTERM", "docker-init"],
            ),
            cut_off(
                scene("to-all", "bookworm", TO_ALL, AS_CHILD).with(tini),
                &[STATIC, "got SIGTERM and was killed", "PID 1 (/init)"],
            ),
            cut_off(
                scene("hasty", "musl", HASTY, OK),
                &[STATIC, "got SIGTERM and was killed", "PID 1 (/bin/sh)"],
            ),
            scene("direct", "scratch", &[STATIC, "serve"], OK).with(INIT).stopped("10"),
            scene("exec-script", "musl", &["/app/wrap-exec.sh", "serve"], OK).with(INIT).stopped("10"),
            scene("patient", "musl", PATIENT, &[0, 143]).stopped("10"),
            scene("helper", "musl", HELPER, OK).stopped("10"),
            scene("brief", "musl", BRIEF, OK),
            scene("killed", "musl", SHELL, KILLED).with(INIT).killed(),
            scene("removed", "musl", SHELL, KILLED).with(INIT).removed(),
        ],
    );
}

#[test]
fn why_pid_1_dropped_a_signal_is_told() {
    const ID: &str = "sigterm-ignored";
    const WRAPPED: &[&str] = &["/bin/sh", "-c", "/app/probe.static no-handler; true"];
    const TRAPPED: &[&str] = &["/bin/sh", "-c", "trap '' TERM; /app/probe.static no-handler; true"];
    let agent = Agent::start();
    let dropped = |one: crate::support::Scene, says| one.fails(ID, says).severity("warning").stopped("2");
    play(
        &agent,
        vec![
            dropped(
                scene("on-purpose", "scratch", &[STATIC, "ignore-term"], KILLED),
                &[STATIC, "ignores SIGTERM and"],
            ),
            dropped(scene("trap", "musl", TRAPPED, KILLED), &["/bin/sh", "ignores SIGTERM and"]),
            dropped(scene("dash", "bookworm", WRAPPED, KILLED), &["/bin/sh", "has no handler for SIGTERM"]),
        ],
    );
}

#[test]
fn zombies_are_told_with_whose_task_it_is_to_wait_for_them() {
    const ID: &str = "zombies-not-reaped";
    const ORPHANS: &[&str] = &[STATIC, "orphans", "3"];
    const FORGOTTEN: &[&str] = &[STATIC, "zombies", "3"];
    const BELOW_SHELL: &[&str] = &["/bin/sh", "-c", "/app/probe.static orphans 3; true"];
    let agent = Agent::start();
    let left = |one: crate::support::Scene, says| one.fails(ID, says).severity("warning");
    play(
        &agent,
        vec![
            left(scene("orphans", "scratch", ORPHANS, OK), &["no-reaper", "PID 1", STATIC, "3 children"])
                .lives(),
            left(scene("forgotten", "scratch", FORGOTTEN, OK), &["missing-wait", STATIC, "3 children"])
                .lives(),
            left(
                scene("forgotten-below-init", "scratch", FORGOTTEN, OK).with(INIT),
                &["missing-wait", STATIC, "3 children"],
            )
            .lives(),
            scene("waited-for", "scratch", &[STATIC, "children", "3"], OK).lives(),
            scene("orphans-below-init", "scratch", ORPHANS, OK).with(INIT).lives(),
            scene("orphans-below-shell", "musl", BELOW_SHELL, OK).lives(),
            scene("orphans-below-dash", "bookworm", BELOW_SHELL, OK).lives(),
        ],
    );
}

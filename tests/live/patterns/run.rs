//! Programs that start and then fail, and what looks like it.

use crate::support::{Agent, Container, play, scene, wait_for};

const STATIC: &str = "/app/probe.static";
const OK: &[i32] = &[0];
/// Ended by SIGKILL.
const KILLED: &[i32] = &[137];

#[test]
fn a_missing_library_and_the_file_that_wanted_it_are_named() {
    const ID: &str = "missing-library";
    const GLIBC: &[&str] = &["/app/probe.needfoo", "ok"];
    const MUSL: &[&str] = &["/app/probe.needfoo.musl", "ok"];
    let (whole, half) = (&["--env", "LD_LIBRARY_PATH=/libs"], &["--env", "LD_LIBRARY_PATH=/libs-nobar"]);
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("foo", "bookworm", GLIBC, &[127])
                .fails(ID, &["libfoo.so", "/app/probe.needfoo cannot start"]),
            scene("bar", "bookworm", GLIBC, &[127])
                .with(half)
                .fails(ID, &["libbar.so", "wanted by /libs-nobar/libfoo.so"]),
            scene("musl-foo", "musl", MUSL, &[127])
                .fails(ID, &["libfoo.so", "/app/probe.needfoo.musl cannot start"]),
            scene("musl-bar", "musl", MUSL, &[127])
                .with(half)
                .fails(ID, &["libbar.so", "wanted by /libs-nobar/libfoo.so"]),
            scene("go-child", "bookworm", &[STATIC, "exec", "/app/probe.needfoo", "ok"], OK)
                .fails(ID, &["libfoo.so", "/app/probe.needfoo cannot start"]),
            scene("found", "bookworm", GLIBC, OK).with(whole),
            scene("musl-found", "musl", MUSL, OK).with(whole),
            scene("command-not-found", "bookworm", &["/bin/sh", "-c", "nosuchcommand"], &[127]),
            scene("exit-127", "bookworm", &["/app/probe.glibc", "exit", "127"], &[127]),
        ],
    );
}

#[test]
fn missing_roots_are_a_finding_once_a_server_was_refused() {
    const ID: &str = "no-ca-certificates";
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("refused", "scratch", &[STATIC, "tls-local"], &[1])
                .fails(ID, &["root certificates", STATIC]),
            scene("refused-glibc", "bookworm", &["/app/probe.glibc", "tls-local"], &[1])
                .fails(ID, &["root certificates"]),
            scene("own-roots", "scratch", &[STATIC, "tls-local-ok"], OK),
            scene("fallback-roots", "scratch", &[STATIC, "tls-fallback"], OK),
            scene("pool-only", "scratch", &[STATIC, "system-pool"], OK),
            // The bundle is there, and the server's authority is not in it.
            scene("unknown-authority", "scratch-ca", &[STATIC, "tls-local"], &[1]),
        ],
    );
}

#[test]
fn an_oom_kill_is_told_from_every_other_sigkill() {
    const ID: &str = "oom-kill";
    let limit = &["--memory", "32m"];
    let agent = Agent::start();
    play(
        &agent,
        vec![
            scene("pid-1", "scratch", &[STATIC, "leak"], KILLED).with(limit).fails(ID, &["PID 1", "32 MiB"]),
            scene("child", "scratch", &[STATIC, "oom-child"], OK).with(limit).fails(ID, &["child", "32 MiB"]),
            scene("shell-child", "musl", &["/bin/sh", "-c", "/app/probe.static leak; true"], OK)
                .with(limit)
                .fails(ID, &["child probe.static", "32 MiB"]),
            scene("killed", "scratch", &[STATIC, "serve"], KILLED).with(limit).killed(),
            scene("removed", "scratch", &[STATIC, "serve"], KILLED).with(limit).removed(),
            scene("own-137", "scratch", &[STATIC, "exit", "137"], KILLED).with(limit),
            scene("recovered", "scratch", &[STATIC, "segv-recovered"], OK).with(limit),
        ],
    );
}

#[test]
fn the_container_lives_on_when_its_child_is_the_victim() {
    let agent = Agent::start();
    let container =
        Container::new("lives-on", "scratch", &[STATIC, "oom-child", "1h"]).with(&["--memory", "32m"]);
    assert_eq!(container.start().code, Some(0));
    let id = container.id();
    let found = wait_for("the diagnosis", || agent.diagnoses(&id).pop());
    assert_eq!((found["pattern"].as_str(), found["severity"].as_str()), (Some("oom-kill"), Some("error")));
    assert_eq!(container.inspect("{{.State.Status}}"), "running");
}

#[test]
fn who_does_not_end_on_sigterm_is_named_and_who_does_is_not() {
    const ID: &str = "sigterm-ignored";
    const WRAPPED: &[&str] = &["/bin/sh", "-c", "/app/probe.static no-handler; true"];
    let agent = Agent::start();
    let warning = |one: crate::support::Scene| one.severity("warning").stopped("1");
    play(
        &agent,
        vec![
            warning(
                scene("ignores", "scratch", &[STATIC, "ignore-term"], KILLED)
                    .fails(ID, &["PID 1", STATIC, "ignores SIGTERM", "killed 1.", "by runc"]),
            ),
            warning(
                scene("swallows", "scratch", &[STATIC, "swallow-term"], KILLED)
                    .fails(ID, &["PID 1", STATIC, "got SIGTERM", "killed"]),
            ),
            warning(
                scene("slow", "scratch", &[STATIC, "slow-term", "1h"], KILLED).fails(ID, &["PID 1", STATIC]),
            ),
            warning(scene("dash", "bookworm", WRAPPED, KILLED).fails(ID, &["PID 1", "/bin/sh"])),
            warning(scene("busybox", "musl", WRAPPED, KILLED).fails(ID, &["PID 1", "/bin/sh"])),
            scene("graceful", "scratch", &[STATIC, "serve"], OK).stopped("10"),
            // Go ends by itself: 143 from Go 1.27 on, 2 before.
            scene("no-handler", "scratch", &[STATIC, "no-handler"], &[143, 2]).stopped("10"),
            scene("exec", "bookworm", &["/bin/sh", "-c", "exec /app/probe.static serve"], OK).stopped("10"),
            scene("killed", "scratch", &[STATIC, "ignore-term"], KILLED).killed(),
            scene("removed", "scratch", &[STATIC, "ignore-term"], KILLED).removed(),
        ],
    );
}

#[test]
fn a_shell_without_any_go_program_is_a_remark_at_most() {
    let agent = Agent::start();
    play(
        &agent,
        vec![scene("shell", "musl", &["/bin/sh", "-c", "echo ready; sleep 1000; true"], KILLED).stopped("1")],
    );
}

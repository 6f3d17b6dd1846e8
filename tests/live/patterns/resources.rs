//! CPU quotas and memory limits that do not fit Go's settings, beside those that do.

use crate::support::{Agent, Container, fence, play, scene};

const STATIC: &str = "/app/probe.static";
const OK: &[i32] = &[0];
/// A fatal error of the Go runtime.
const FATAL: &[i32] = &[2];
const SERVE: &[&str] = &[STATIC, "serve"];

#[test]
fn a_quota_that_runs_out_all_the_time_is_told_from_a_burst() {
    const ID: &str = "cpu-throttled";
    const SPIN: &[&str] = &[STATIC, "spin", "2", "55s"];
    // Little enough that a busy machine gives it as much.
    const TENTH: &[&str] = &["--cpus", "0.1"];
    const BURST: &[&str] = &["/bin/sh", "-c", "/app/probe.static spin 2 4s; exec /app/probe.static serve"];
    let agent = Agent::start();
    let half = &["--cpus", "0.5"];
    let throttled = |what| {
        scene(what, "scratch", SPIN, OK)
            .with(TENTH)
            .fails(ID, &["quota of 0.1 CPUs"])
            .severity("warning")
            .confidence("high")
    };
    play(
        &agent,
        vec![
            throttled("throttled"),
            scene("wide", "scratch", &[STATIC, "spin", "1", "45s"], OK).with(&["--cpus", "2"]),
            scene("idle", "scratch", SERVE, OK).with(TENTH).lives(),
            scene("burst", "musl", BURST, OK).with(half).lives(),
        ],
    );
}

#[test]
fn a_gomemlimit_that_go_cannot_read_is_told_with_the_right_spelling() {
    const ID: &str = "gomemlimit-malformed";
    const BELOW_SHELL: &[&str] = &["/bin/sh", "-c", "/app/probe.static serve; true"];
    let agent = Agent::start();
    let set = |value: &str| ["--env".to_owned(), format!("GOMEMLIMIT={value}")];
    let with = |one: crate::support::Scene, value: &str| {
        let options = set(value);
        one.with(&options.each_ref().map(String::as_str))
    };
    play(
        &agent,
        vec![
            with(scene("pid-1", "scratch", SERVE, FATAL), "400Mi")
                .fails(ID, &["GOMEMLIMIT=400Mi", "400MiB is right"]),
            with(scene("glibc", "bookworm", &["/app/probe.glibc", "serve"], FATAL), "1.5GiB")
                .fails(ID, &["GOMEMLIMIT=1.5GiB"]),
            with(scene("below-shell", "musl", BELOW_SHELL, OK), "64mb")
                .fails(ID, &["GOMEMLIMIT=64mb", "64MiB is right"])
                .confidence("high"),
            with(scene("well-formed", "scratch", &[STATIC, "exit", "2"], FATAL), "400MiB"),
            with(scene("empty", "scratch", &[STATIC, "exit", "2"], FATAL), ""),
            with(scene("not-go", "musl", &["/bin/sh", "-c", "exit 2"], FATAL), "400Mi"),
            scene("gogc", "scratch", &[STATIC, "exit", "2"], FATAL).with(&["--env", "GOGC=many"]),
        ],
    );
}

#[test]
fn a_memory_limit_that_go_does_not_know_of_is_a_remark() {
    const CASES: [(&[&str], Option<&str>); 6] = [
        (&["--memory", "64m"], Some("GOMEMLIMIT: not-set")),
        (&["--memory", "64m", "--env", "GOMEMLIMIT=64MiB"], Some("GOMEMLIMIT: too-high")),
        (&["--memory", "64m", "--env", "GOGC=off"], Some("GOMEMLIMIT: gogc-off")),
        (&["--memory", "64m", "--env", "GOMEMLIMIT=57MiB"], None),
        (&["--memory", "64m", "--env", "GOGC=off", "--env", "GOMEMLIMIT=57MiB"], None),
        (&["--env", "GOGC=off"], None),
    ];
    let agent = Agent::start();
    let containers =
        CASES.map(|(options, _)| Container::new("advice", "scratch", &[STATIC, "ok"]).with(options));
    for container in &containers {
        assert_eq!(container.run().code, Some(0));
    }
    fence(&agent);
    for (container, (options, subject)) in containers.iter().zip(CASES) {
        let said = agent.remarks_and_diagnoses(&container.id());
        let advice = said.iter().find(|one| one["pattern"] == "gomemlimit-advice");
        assert_eq!(advice.and_then(|one| one["subject"].as_str()), subject, "{options:?}");
    }
}

//! `gomon diagnose` of a container in every state of its life.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{
    Container, Finished, PATIENCE, Running, docker, docker_ok, gomon, run, schema_faults, wait_for,
    wait_up_to,
};

const STATIC: &str = "/app/probe.static";

/// `gomon diagnose TARGET -o json`, which must fit the published schema.
fn diagnose(target: &str, more: &[&str]) -> Finished {
    let mut command = gomon(&["diagnose", target, "-o", "json"]);
    command.args(more);
    fits(run(command))
}

fn fits(finished: Finished) -> Finished {
    let faults = schema_faults(&finished.json());
    assert!(faults.is_empty(), "{faults:#?}\n{finished:#?}");
    finished
}

/// The patterns of the findings, and of remarks of severity info those about what happened: what its configuration alone
/// is worth a remark for, most containers have.
fn patterns(answer: &Value) -> Vec<&str> {
    let all = answer["diagnoses"].as_array().unwrap().iter();
    let names = all.filter_map(|one| one["pattern"].as_str());
    names.filter(|name| *name != "privilege-posture").collect()
}

#[test]
fn a_running_healthy_container_has_no_finding_and_the_answer_says_what_was_not_seen() {
    let healthy = Container::new("healthy", "scratch", &[STATIC, "serve"]);
    healthy.serve();
    let answer = diagnose(&healthy.name, &["--timeout", "2s"]).exits(5).json();
    assert_eq!(answer["verdict"], "inconclusive");
    assert_eq!(answer["target"]["name"], healthy.name.as_str());
    assert_eq!(answer["target"]["image"], healthy.image.as_str());
    assert_eq!(answer["coverage"]["attached_before_start"], false);
    assert_eq!(answer["coverage"]["blind"][0]["what"], "start of the container", "{answer:#}");
    assert!(answer["exit"].is_null(), "{answer:#}");
    assert_eq!(patterns(&answer), Vec::<&str>::new());
}

#[test]
fn a_container_is_found_by_its_id_the_beginning_of_it_its_runtime_and_its_process() {
    let healthy = Container::new("targets", "scratch", &[STATIC, "serve"]);
    healthy.serve();
    let (id, pid) = (healthy.id(), healthy.pid());
    for target in [id.clone(), id[..20].to_owned(), format!("docker://{id}"), format!("pid:{pid}")] {
        let answer = diagnose(&target, &["--timeout", "1s"]).exits(5).json();
        assert_eq!(answer["target"]["container_id"], id.as_str(), "{target}");
        assert_eq!(answer["target"]["name"], healthy.name.as_str(), "{target}");
    }
}

#[test]
fn a_container_that_fails_while_it_is_watched_ends_the_watch() {
    let script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; exec /app/probe.glibc";
    let failing = Container::new("watched", "musl", &["/bin/sh", "-c", script]);
    failing.serve();
    let watch = Running::watching(&["diagnose", &failing.name, "-o", "json", "--timeout", "10m"]);
    docker_ok(&["exec", &failing.name, "touch", "/tmp/go"]);
    let answer = fits(watch.finish()).exits(1).json();
    assert_eq!(patterns(&answer), ["missing-interpreter"]);
    assert_eq!(answer["diagnoses"][0]["confidence"], "certain");
    assert_eq!(
        (answer["exit"]["code"].as_u64(), answer["exit"]["meaning"].as_str()),
        (Some(127), Some("explained"))
    );
}

#[test]
fn a_container_that_ends_well_or_vanishes_while_it_is_watched_is_no_finding() {
    let script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 3";
    let ending = Container::new("ending", "musl", &["/bin/sh", "-c", script]);
    let vanishing = Container::new("vanishing", "scratch", &[STATIC, "serve"]);
    ending.serve();
    vanishing.serve();
    let watch =
        |one: &Container| Running::watching(&["diagnose", &one.name, "-o", "json", "--timeout", "10m"]);
    let (of_ending, of_vanishing) = (watch(&ending), watch(&vanishing));
    docker_ok(&["exec", &ending.name, "touch", "/tmp/go"]);
    vanishing.remove();
    let answer = fits(of_ending.finish()).exits(5).json();
    assert_eq!(
        (answer["exit"]["code"].as_u64(), answer["exit"]["meaning"].as_str()),
        (Some(3), Some("unexplained"))
    );
    let answer = fits(of_vanishing.finish()).exits(5).json();
    assert_eq!(answer["target"]["name"], vanishing.name.as_str());
    assert_eq!(patterns(&answer), Vec::<&str>::new());
}

#[test]
fn a_dead_container_is_judged_by_its_files_and_by_what_docker_remembers() {
    for (image, command, pattern, code) in [
        ("scratch", &["/app/probe.glibc"][..], Some("missing-interpreter"), 1),
        ("scratch", &["/app/probe.arm64"], Some("wrong-architecture"), 1),
        ("scratch", &["/app/sevrer"], Some("entrypoint-not-found"), 1),
        ("scratch", &["/app/noexec"], Some("exec-not-permitted"), 1),
        ("scratch", &["/app/trunc100k"], Some("exec-format"), 1),
        ("musl", &["/app/crlf.sh"], Some("bad-shebang"), 1),
        ("bookworm", &["/app/probe.needfoo"], Some("missing-library"), 1),
        ("scratch", &[STATIC, "exit", "1"], None, 5),
        ("scratch", &[STATIC, "ok"], None, 5),
    ] {
        let dead = Container::new("dead", image, command);
        dead.run();
        let answer = diagnose(&dead.name, &[]).exits(code).json();
        assert_eq!(patterns(&answer), pattern.into_iter().collect::<Vec<_>>(), "{command:?}: {answer:#}");
        assert_eq!(answer["target"]["name"], dead.name.as_str());
        if pattern.is_some() {
            let one = &answer["diagnoses"][0];
            assert_ne!(one["confidence"], "certain", "nobody saw it: {one:#}");
            assert!(!one["remedy"].as_str().unwrap().is_empty(), "{one:#}");
        }
    }
}

#[test]
fn a_dead_container_that_docker_remembers_as_short_of_memory_is_an_oom_kill() {
    // On a busy machine dockerd misses some of them: then another one is killed.
    let dead = wait_for("an OOM kill that dockerd has noted", || {
        let dead = Container::new("noted", "scratch", &[STATIC, "leak"]).with(&["--memory", "32m"]);
        dead.run();
        let noted = || (dead.inspect("{{.State.OOMKilled}}") == "true").then_some(());
        wait_up_to(PATIENCE / 10, noted).map(|()| dead)
    });
    let answer = diagnose(&dead.name, &[]).exits(1).json();
    assert_eq!(patterns(&answer), ["oom-kill", "gomemlimit-advice"]);
    assert_eq!(answer["diagnoses"][0]["confidence"], "high", "{answer:#}");
}

#[test]
fn a_container_that_was_never_started_is_inconclusive() {
    let created = Container::new("created", "scratch", &[STATIC, "serve"]);
    created.create();
    let answer = diagnose(&created.name, &[]).exits(5).json();
    assert_eq!(answer["target"]["name"], created.name.as_str());
    assert_eq!(patterns(&answer), Vec::<&str>::new());
}

#[test]
fn a_crash_loop_is_diagnosed_whether_it_runs_at_that_moment_or_not() {
    let looping = Container::new("crashes", "scratch", &["/app/probe.glibc"]).with(&["--restart", "always"]);
    looping.start();
    wait_for("a restart", || (looping.inspect("{{.RestartCount}}") != "0").then_some(()));
    let answer = diagnose(&looping.name, &[]).exits(1).json();
    assert_eq!(patterns(&answer), ["missing-interpreter"]);
}

#[test]
fn severity_decides_over_the_exit_code_and_over_what_is_shown() {
    let dead = Container::new("severity", "scratch", &["/app/probe.glibc"]);
    dead.run();
    diagnose(&dead.name, &["--fail-on", "error"]).exits(1);
    let ignores = Container::new("remark", "musl", &["/bin/sh", "-c", "echo ready; sleep 1000; true"]);
    ignores.serve();
    let watch = Running::watching(&["diagnose", &ignores.name, "-o", "json", "--timeout", "10m"]);
    docker_ok(&["stop", "--time", "1", &ignores.name]);
    let answer = fits(watch.finish()).exits(5).json();
    assert_eq!(patterns(&answer), ["sigterm-ignored"]);
    assert_eq!(answer["diagnoses"][0]["severity"], "info");
}

#[test]
fn a_target_that_fits_several_containers_lists_them_and_is_not_guessed() {
    let mut by_digit: BTreeMap<char, Container> = BTreeMap::new();
    // Sixteen digits: two of seventeen ids share one.
    let (digit, first, second) = loop {
        let next = Container::new("ambiguous", "scratch", &[STATIC, "ok"]);
        let digit = next.create().chars().next().unwrap();
        match by_digit.remove(&digit) {
            Some(first) => break (digit.to_string(), first, next),
            None => drop(by_digit.insert(digit, next)),
        }
    };
    let finished = run(gomon(&["diagnose", &digit])).exits(2);
    assert_eq!(finished.stdout, "");
    for one in [&first, &second] {
        let id = &one.id()[..12];
        assert!(finished.stderr.contains(id) && finished.stderr.contains(&one.name), "{finished:#?}");
    }
}

#[test]
fn a_target_that_does_not_exist_is_named_with_what_looks_like_it() {
    let one = Container::new("suggested", "scratch", &[STATIC, "ok"]);
    one.create();
    let wrong = format!("{}x", one.name);
    let finished = run(gomon(&["diagnose", &wrong])).exits(4);
    assert_eq!(finished.stdout, "");
    assert!(
        finished.stderr.contains(&wrong) && finished.stderr.contains(&format!("\"{}\"", one.name)),
        "{finished:#?}"
    );
    one.remove();
    run(gomon(&["diagnose", &one.name])).exits(4);
    assert_ne!(docker(&["inspect", &one.name]).code, Some(0));
    run(gomon(&["diagnose", "pid:1"])).exits(4);
}

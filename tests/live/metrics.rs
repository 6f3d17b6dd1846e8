//! The agent's metrics after real failures: counters from zero, the right labels, a text that promtool accepts.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
};

use gomon::{patterns::CATALOGUE, sink::metrics::METRICS};

use crate::support::{Agent, Container, Series, docker_ok, skip, tool, wait_for};

const STATIC: &str = "/app/probe.static";

/// The sum of a metric over the series of one container.
fn sum(metrics: &Series, name: &str, container: &Container, labels: &[(&str, &str)]) -> Option<f64> {
    let mut all = vec![("container", container.name.as_str())];
    all.extend(labels);
    metrics.sum(name, &all)
}

#[test]
fn a_healthy_container_has_all_counters_that_alerts_use_at_zero() {
    let agent = Agent::start();
    let healthy = Container::new("healthy", "scratch", &[STATIC, "serve"]);
    healthy.serve();
    let metrics = wait_for("its series", || {
        let metrics = agent.metrics();
        sum(&metrics, "gomon_container_info", &healthy, &[("linkage", "static"), ("libc", "none")])?;
        Some(metrics)
    });
    for pattern in CATALOGUE {
        let labels = [("pattern", pattern.id), ("severity", pattern.severity.name())];
        // Docker's defaults are worth a remark, in every container.
        let remarks = if pattern.id == "privilege-posture" { 1.0 } else { 0.0 };
        let counted = sum(&metrics, "gomon_diagnoses_total", &healthy, &labels);
        assert_eq!(counted, Some(remarks), "{}", pattern.id);
        assert_eq!(
            metrics.sum("gomon_pattern_blind", &[("pattern", pattern.id)]),
            Some(0.0),
            "{}",
            pattern.id
        );
    }
    for errno in ["ENOENT", "EACCES", "ENOEXEC"] {
        let labels = [("errno", errno)];
        assert_eq!(sum(&metrics, "gomon_container_exec_failures_total", &healthy, &labels), Some(0.0));
    }
    for (scope, init) in
        [("container", "true"), ("container", "false"), ("outside", "true"), ("outside", "false")]
    {
        let labels = [("scope", scope), ("init", init)];
        assert_eq!(sum(&metrics, "gomon_container_oom_kills_total", &healthy, &labels), Some(0.0));
    }
    let own = [("container", healthy.name.as_str())];
    let (labels, _) = metrics.of("gomon_container_info", &own).next().expect("an info series");
    assert_eq!(labels["container_id"], healthy.id());
    assert!(labels["go_version"].starts_with("go1."), "{labels:?}");
    // All but floods, which every program tells.
    assert_eq!(metrics.sum("gomon_probe_attached", &[]), Some(13.0));
    assert_eq!(metrics.sum("gomon_events_dropped_total", &[]), Some(0.0));
}

#[test]
fn each_failure_is_counted_once_with_its_labels() {
    let agent = Agent::start();
    let loader = Container::new("loader", "scratch", &["/app/probe.glibc"]);
    let oom = Container::new("oom", "scratch", &[STATIC, "leak"]).with(&["--memory", "32m"]);
    let term = Container::new("term", "scratch", &[STATIC, "swallow-term"]);
    loader.run();
    oom.run();
    term.serve();
    docker_ok(&["stop", "--time", "1", &term.name]);
    let metrics = wait_for("the last diagnosis", || {
        let metrics = agent.metrics();
        let labels = [("pattern", "sigterm-ignored")];
        (sum(&metrics, "gomon_diagnoses_total", &term, &labels)? > 0.0).then_some(metrics)
    });
    for (container, pattern, severity) in [
        (&loader, "missing-interpreter", "error"),
        (&oom, "oom-kill", "error"),
        (&term, "sigterm-ignored", "warning"),
    ] {
        let labels = [("pattern", pattern), ("severity", severity)];
        assert_eq!(sum(&metrics, "gomon_diagnoses_total", container, &labels), Some(1.0), "{pattern}");
        let graver = ["error", "warning"].map(|severity| {
            sum(&metrics, "gomon_diagnoses_total", container, &[("severity", severity)]).unwrap_or_default()
        });
        assert!((graver.iter().sum::<f64>() - 1.0).abs() < 0.5, "{pattern} alone: {graver:?}");
        assert_eq!(sum(&metrics, "gomon_diagnosis_active", container, &labels), Some(1.0), "{pattern}");
        let last = sum(&metrics, "gomon_diagnosis_last_timestamp_seconds", container, &labels);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!(last.is_some_and(|last| last > now - 600.0 && last <= now), "{last:?}");
    }
    let failures = |labels: &[_]| sum(&metrics, "gomon_container_exec_failures_total", &loader, labels);
    assert_eq!((failures(&[("errno", "ENOENT")]), failures(&[])), (Some(1.0), Some(1.0)));
    let kills = |labels: &[_]| sum(&metrics, "gomon_container_oom_kills_total", &oom, labels);
    assert_eq!((kills(&[("scope", "container"), ("init", "true")]), kills(&[])), (Some(1.0), Some(1.0)));
    let signals = |signal| {
        sum(&metrics, "gomon_container_signals_total", &term, &[("signal", signal), ("origin", "outside")])
    };
    assert_eq!((signals("SIGTERM"), signals("SIGKILL")), (Some(1.0), Some(1.0)));
    let page = agent.get("/metrics");
    let served: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let listed: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(
        served, listed,
        "the closed list is what an agent serves: a metric without a series is begun at zero"
    );
    assert_eq!(metrics.sum("gomon_ready", &[]), Some(1.0));
    for ring in ["PRECIOUS", "ORDINARY"] {
        let of_ring = |name| metrics.sum(name, &[("map", ring)]);
        let (waiting, size) = (of_ring("gomon_bpf_map_entries"), of_ring("gomon_bpf_map_capacity"));
        assert!(
            size > Some(0.0) && waiting.is_some() && waiting <= size,
            "{ring}: {waiting:?} of {size:?} bytes"
        );
    }
    assert!(metrics.sum("gomon_event_latency_seconds_count", &[]) > Some(0.0));
    assert!(metrics.sum("gomon_events_received_total", &[("probe", "cgroup_made")]) >= Some(3.0));
}

#[test]
fn beyond_the_cap_a_failure_counts_among_the_others_and_the_loss_is_counted() {
    let agent = Agent::start_with(&[("GOMON_MAX_SERIES", "10")]);
    let failing = Container::new("capped", "scratch", &["/app/probe.glibc"]);
    failing.run();
    let id = failing.id();
    wait_for("its diagnosis in the API", || agent.diagnoses(&id).pop());
    let others = [("container", "~other"), ("pattern", "missing-interpreter"), ("severity", "error")];
    let metrics = wait_for("its failure among the others", || {
        let metrics = agent.metrics();
        (metrics.sum("gomon_diagnoses_total", &others)? > 0.0).then_some(metrics)
    });
    assert_eq!(sum(&metrics, "gomon_diagnoses_total", &failing, &[]), None);
    assert!(metrics.sum("gomon_events_dropped_total", &[("reason", "max_series")]) > Some(0.0));
    assert_eq!(metrics.sum("gomon_container_series_max", &[]), Some(10.0));
    assert!(metrics.sum("gomon_container_series", &[]) <= Some(10.0));
}

#[test]
fn promtool_accepts_the_page() {
    let Some(promtool) = tool("promtool", "promtool") else {
        return skip("promtool check metrics", "promtool is not installed; `cargo xtask setup` fetches it");
    };
    let agent = Agent::start();
    let container = Container::new("promtool", "scratch", &["/app/probe.glibc"]);
    container.run();
    wait_for("a finding in the metrics", || {
        sum(&agent.metrics(), "gomon_diagnoses_total", &container, &[]).filter(|count| *count > 0.0)
    });
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    check.stdin.take().unwrap().write_all(agent.get("/metrics").as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

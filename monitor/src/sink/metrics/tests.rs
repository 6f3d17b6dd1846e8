//! The rules of the metrics, read from the text that Prometheus would read.

use crate::{
    model::{
        container::{CgroupId, ContainerId, Run, Runtime},
        diagnosis::{Confidence, Evidence, Severity, Source},
        errno::Errno,
        event::{Event, EventKind, SignalOutcome, Task},
        fact::{Config, Fact, Known},
        signal::Signal,
        time::SECOND,
    },
    sink::metrics::table::PROCESS_START,
};

use super::*;

const BUILD: Build = Build { version: "1.2.3", revision: "abc", rust_version: "1.95" };
const EPOCH: BootEpoch = BootEpoch(1_700_000_000_000_000_000);
const MINUTES: u64 = 60 * SECOND;

fn metrics(max_series: usize) -> Metrics {
    Metrics::new(BUILD, EPOCH, max_series).unwrap()
}

fn run(id: &str) -> Run {
    Run { container: ContainerId(id.into()), cgroup: CgroupId(7) }
}

fn identity(name: &str) -> Identity {
    Identity {
        name: name.to_owned(),
        image: "shop/api:1".to_owned(),
        runtime: Runtime::Docker,
        ..Identity::default()
    }
}

fn appear(metrics: &mut Metrics, id: &str, name: &str) {
    metrics.observe(&Observation::Appeared { run: run(id), at: BootNs(0), from_birth: true });
    learn(metrics, id, Fact::Identity(identity(name)));
}

fn learn(metrics: &mut Metrics, id: &str, fact: Fact) {
    metrics.observe(&Observation::Learned { run: run(id), at: BootNs(0), fact: Box::new(fact) });
}

fn happen(metrics: &mut Metrics, id: &str, kind: EventKind) {
    let event = Event { at: BootNs(SECOND), cgroup: CgroupId(7), task: Task::default(), kind };
    metrics.observe(&Observation::Happened { run: run(id), event });
}

fn exec_failed(errno: Errno) -> EventKind {
    EventKind::ExecFailed { errno, path: "/app".to_owned(), argv0: String::new() }
}

fn diagnosis(id: &str, count: u64, at: u64) -> Diagnosis {
    Diagnosis {
        container: ContainerId(id.into()),
        pattern: "missing-interpreter".to_owned(),
        severity: Severity::Error,
        confidence: Confidence::Certain,
        subject: "/lib/ld".to_owned(),
        summary: String::new(),
        evidence: vec![Evidence { at: Some(BootNs(at)), source: Source::Kernel, fact: String::new() }],
        remedy: String::new(),
        first_seen: BootNs(at),
        last_seen: BootNs(at),
        count,
        consequence_of: None,
    }
}

/// The value of the one sample whose name and labels contain all of `parts`.
fn value(metrics: &Metrics, name: &str, parts: &[&str]) -> Option<f64> {
    let text = metrics.encode().unwrap();
    let mut found = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && parts.iter().all(|part| line.contains(part))
    });
    let line = found.next()?;
    assert_eq!(found.next(), None, "{name} {parts:?} fits several samples");
    line.rsplit(' ').next().unwrap().parse().ok()
}

const EXEC: &str = "gomon_container_exec_failures_total";
const DIAGNOSES: &str = "gomon_diagnoses_total";
const ACTIVE: &str = "gomon_diagnosis_active";
const DROPPED: &str = "gomon_events_dropped_total";

#[test]
fn every_metric_of_the_table_is_registered_with_its_labels() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    metrics.diagnosed(&diagnosis("a", 1, SECOND), &identity("api"));
    happen(
        &mut metrics,
        "a",
        EventKind::SignalSent {
            signal: Signal::TERM,
            code: 0,
            target: Task::default(),
            sender_cgroup: CgroupId(1),
            outcome: SignalOutcome::Delivered,
            syscall: None,
        },
    );
    metrics.set_bpf_events(Probe::Exec, Tally::Seen, 3);
    metrics.set_program("exec", 3, Duration::from_millis(2));
    metrics.set_map("ring", 1, 2);
    metrics.set_confined("user", true);
    let text = metrics.encode().unwrap();
    // Without patterns in the catalogue no pattern can be blind.
    let absent = |name: &str| name == table_name_of_blind() && CATALOGUE.is_empty();
    for Metric { name, labels, help, .. } in METRICS.iter().filter(|metric| !absent(metric.name)) {
        assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}");
        let sample = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(labels.iter().all(|label| sample.contains(&format!("{label}=\""))), "{sample}");
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(families, METRICS.iter().filter(|metric| !absent(metric.name)).count());
}

fn table_name_of_blind() -> &'static str {
    "gomon_pattern_blind"
}

#[test]
fn counters_that_alerts_use_begin_at_zero() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    assert_eq!(value(&metrics, EXEC, &["container=\"api\"", "errno=\"ENOENT\""]), Some(0.0));
    for pattern in CATALOGUE {
        let label = format!("pattern=\"{}\"", pattern.id);
        assert_eq!(value(&metrics, DIAGNOSES, &["container=\"api\"", &label]), Some(0.0));
    }
    happen(&mut metrics, "a", exec_failed(Errno::ENOENT));
    happen(&mut metrics, "a", exec_failed(Errno(250)));
    assert_eq!(value(&metrics, EXEC, &["errno=\"ENOENT\""]), Some(1.0));
    assert_eq!(value(&metrics, EXEC, &["errno=\"other\""]), Some(1.0));
}

#[test]
fn a_diagnosis_counts_what_its_count_grew_by() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    for count in [1, 1, 4] {
        metrics.diagnosed(&diagnosis("a", count, SECOND), &identity("api"));
    }
    let labels = ["container=\"api\"", "pattern=\"missing-interpreter\"", "severity=\"error\""];
    assert_eq!(value(&metrics, DIAGNOSES, &labels), Some(4.0));
    assert_eq!(value(&metrics, ACTIVE, &labels), Some(1.0));
    let seconds = value(&metrics, "gomon_diagnosis_last_timestamp_seconds", &labels).unwrap();
    assert!((seconds - 1_700_000_001.0).abs() < 0.001, "{seconds}");
}

#[test]
fn an_event_is_active_for_15_minutes_and_a_standing_fact_as_long_as_the_container_runs() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    appear(&mut metrics, "b", "web");
    metrics.diagnosed(&diagnosis("a", 1, SECOND), &identity("api"));
    let standing = Diagnosis { evidence: Vec::new(), ..diagnosis("b", 1, SECOND) };
    metrics.diagnosed(&standing, &identity("web"));
    metrics.expire(BootNs(14 * MINUTES));
    assert_eq!(value(&metrics, ACTIVE, &["container=\"api\""]), Some(1.0));
    metrics.expire(BootNs(16 * MINUTES));
    assert_eq!(value(&metrics, ACTIVE, &["container=\"api\""]), Some(0.0));
    assert_eq!(value(&metrics, ACTIVE, &["container=\"web\""]), Some(1.0));
}

#[test]
fn a_changed_severity_leaves_no_active_series_of_the_old_one() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    metrics.diagnosed(&diagnosis("a", 1, SECOND), &identity("api"));
    let milder = Diagnosis { severity: Severity::Info, ..diagnosis("a", 2, SECOND) };
    metrics.diagnosed(&milder, &identity("api"));
    assert_eq!(value(&metrics, ACTIVE, &["severity=\"error\""]), Some(0.0));
    assert_eq!(value(&metrics, ACTIVE, &["severity=\"info\""]), Some(1.0));
}

#[test]
fn series_of_a_gone_container_stay_for_15_minutes() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    metrics.observe(&Observation::Vanished { run: run("a"), at: BootNs(MINUTES) });
    metrics.expire(BootNs(15 * MINUTES));
    assert_eq!(value(&metrics, EXEC, &["errno=\"ENOENT\""]), Some(0.0));
    metrics.expire(BootNs(16 * MINUTES));
    assert_eq!(value(&metrics, EXEC, &["errno=\"ENOENT\""]), None);
    assert_eq!(value(&metrics, "gomon_container_info", &[]), None);
}

#[test]
fn a_restarted_container_keeps_its_series_and_replaces_the_info_of_the_old_one() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "old", "api");
    happen(&mut metrics, "old", exec_failed(Errno::ENOENT));
    metrics.observe(&Observation::Vanished { run: run("old"), at: BootNs(0) });
    appear(&mut metrics, "new", "api");
    happen(&mut metrics, "new", exec_failed(Errno::ENOENT));
    metrics.expire(BootNs(20 * MINUTES));
    assert_eq!(value(&metrics, EXEC, &["errno=\"ENOENT\""]), Some(2.0));
    assert_eq!(value(&metrics, "gomon_container_info", &["container_id=\"new\""]), Some(1.0));
    assert_eq!(value(&metrics, "gomon_container_info", &["container_id=\"old\""]), None);
}

#[test]
fn a_name_that_comes_late_takes_the_counts_with_it() {
    let mut metrics = metrics(1_000);
    metrics.observe(&Observation::Appeared { run: run("abc"), at: BootNs(0), from_birth: true });
    assert_eq!(value(&metrics, EXEC, &["errno=\"ENOENT\""]), None, "no series before there is a name");
    happen(&mut metrics, "abc", exec_failed(Errno::ENOENT));
    assert_eq!(value(&metrics, EXEC, &["container=\"abc\"", "errno=\"ENOENT\""]), Some(1.0));
    learn(&mut metrics, "abc", Fact::Identity(identity("api")));
    assert_eq!(value(&metrics, EXEC, &["container=\"abc\"", "errno=\"ENOENT\""]), None);
    assert_eq!(value(&metrics, EXEC, &["container=\"api\"", "errno=\"ENOENT\""]), Some(1.0));
}

#[test]
fn a_container_without_a_name_goes_by_its_short_id_after_10_seconds() {
    let mut metrics = metrics(1_000);
    metrics.observe(&Observation::Appeared { run: run("0123456789abcdef"), at: BootNs(0), from_birth: true });
    metrics.observe(&Observation::Tick { at: BootNs(10 * SECOND) });
    assert_eq!(value(&metrics, EXEC, &["container=\"0123456789ab\"", "errno=\"ENOENT\""]), Some(0.0));
}

#[test]
fn beyond_the_cap_containers_count_together_and_the_loss_is_counted() {
    let cap = 10 + CATALOGUE.len();
    let mut metrics = metrics(cap);
    appear(&mut metrics, "a", "api");
    for name in ["b", "c"] {
        appear(&mut metrics, name, name);
        happen(&mut metrics, name, exec_failed(Errno::ENOENT));
    }
    assert_eq!(value(&metrics, EXEC, &["container=\"~other\""]), Some(2.0));
    assert_eq!(value(&metrics, EXEC, &["container=\"b\""]), None);
    assert!(value(&metrics, DROPPED, &["reason=\"max_series\""]).unwrap() >= 2.0);
    let series = metrics.encode().unwrap().lines().filter(|line| line.contains("container=\"api\"")).count();
    assert!(series <= cap, "{series} series under a cap of {cap}");
}

#[test]
fn containers_that_outnumber_the_series_still_count_among_the_others() {
    let mut metrics = metrics(10);
    for number in 0..20 {
        let name = format!("c{number}");
        appear(&mut metrics, &name, &name);
        metrics.diagnosed(&diagnosis(&name, 1, SECOND), &identity(&name));
    }
    assert_eq!(value(&metrics, DIAGNOSES, &["container=\"~other\"", "missing-interpreter"]), Some(20.0));
    assert_eq!(value(&metrics, "gomon_container_series", &[]), Some(0.0));
}

#[test]
fn room_is_given_back_when_containers_go() {
    let mut metrics = metrics(10 + CATALOGUE.len());
    appear(&mut metrics, "a", "api");
    metrics.observe(&Observation::Vanished { run: run("a"), at: BootNs(0) });
    metrics.expire(BootNs(15 * MINUTES));
    appear(&mut metrics, "b", "web");
    assert_eq!(value(&metrics, EXEC, &["container=\"web\"", "errno=\"ENOENT\""]), Some(0.0));
}

#[test]
fn an_oom_kill_tells_scope_and_init() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    let config = Config { memory_limit_bytes: Some(1 << 26), ..Config::default() };
    learn(&mut metrics, "a", Fact::Config(Known::Is(config)));
    let victim = Task { ns_pid: 1, ..Task::default() };
    let kill = EventKind::OomKill {
        victim,
        anon_pages: None,
        file_pages: None,
        shmem_pages: None,
        limit_pages: None,
    };
    happen(&mut metrics, "a", kill);
    let labels = ["scope=\"container\"", "init=\"true\""];
    assert_eq!(value(&metrics, "gomon_container_oom_kills_total", &labels), Some(1.0));
}

#[test]
fn signals_tell_who_sent_them_and_ignored_ones_do_not_count() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", "api");
    for (code, sender, outcome) in [
        (0, 1, SignalOutcome::Delivered),
        (0, 7, SignalOutcome::Delivered),
        (128, 7, SignalOutcome::Delivered),
        (0, 1, SignalOutcome::Ignored),
    ] {
        let (target, sender_cgroup) = (Task::default(), CgroupId(sender));
        happen(
            &mut metrics,
            "a",
            EventKind::SignalSent {
                signal: Signal::TERM,
                code,
                target,
                sender_cgroup,
                outcome,
                syscall: None,
            },
        );
    }
    for origin in ["container", "outside", "kernel"] {
        let label = format!("origin=\"{origin}\"");
        assert_eq!(value(&metrics, "gomon_container_signals_total", &["SIGTERM", &label]), Some(1.0));
    }
}

#[test]
fn a_label_value_is_inert_and_short() {
    let mut metrics = metrics(1_000);
    appear(&mut metrics, "a", &format!("x\n\u{202e}\"{}", "y".repeat(300)));
    let text = metrics.encode().unwrap();
    let line = text.lines().find(|line| line.starts_with(EXEC)).unwrap();
    assert!(line.contains("container=\"x\\\\n\\\\u{202e}\\\""), "{line}");
    assert!(line.contains('…') && !line.contains(&"y".repeat(128)), "{line}");
}

#[test]
fn kernel_totals_never_count_twice_and_survive_a_reload() {
    let metrics = metrics(1_000);
    for total in [5, 5, 9, 2] {
        metrics.set_bpf_events(Probe::Exec, Tally::Seen, total);
    }
    assert_eq!(value(&metrics, "gomon_bpf_events_total", &["exec"]), Some(2.0));
}

#[test]
fn a_probe_is_detached_until_it_is_said_to_be_attached() {
    let mut metrics = metrics(1_000);
    let label = ["probe=\"oom_kill\""];
    assert_eq!(value(&metrics, "gomon_probe_attached", &label), Some(0.0));
    assert_eq!(value(&metrics, "gomon_probe_attached", &["probe=\"flood\""]), None);
    metrics.set_probe(Probe::OomKill, true);
    assert_eq!(value(&metrics, "gomon_probe_attached", &label), Some(1.0));
    let blind = Observation::Blind { at: BootNs(0), probe: "oom_kill".to_owned(), why: String::new() };
    metrics.observe(&blind);
    assert_eq!(value(&metrics, "gomon_probe_attached", &label), Some(0.0));
}

#[test]
fn the_process_start_is_in_the_past_and_not_at_the_epoch() {
    let start = value(&metrics(10), PROCESS_START.name, &[]).unwrap();
    assert!(start > 1_500_000_000.0, "{start}");
}

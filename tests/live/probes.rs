//! Each probe: one cause, exactly one event; and no event without an account.

use monitor_common::probe::Probe;
use serde_json::Value;

use crate::support::{Agent, Container, Running, docker_ok, wait_for};

const STATIC: &str = "/app/probe.static";

/// What the kernel saw in a container, from its birth to its end.
pub(crate) fn events_of(play: impl FnOnce() -> (Container, String)) -> Vec<Value> {
    let stream = Running::watching(&["events", "--output", "jsonl"]);
    let (container, id) = play();
    let of_it = || {
        let lines = stream.lines().into_iter();
        lines.filter(|line| line["container_id"] == id.as_str()).map(|line| line["event"].clone())
    };
    // Events come in order: its end comes last.
    wait_for("the container's end", || of_it().any(|event| event["type"] == "cgroup_removed").then_some(()));
    let events = of_it().collect();
    stream.stop().exits(0);
    drop(container);
    events
}

/// The events of one container that runs to its end.
pub(crate) fn events_of_run(image: &str, options: &[&str], command: &[&str]) -> Vec<Value> {
    events_of(|| {
        let container = Container::new("probe", image, command).with(options);
        container.run();
        let id = container.id();
        (container, id)
    })
}

/// The only event of this type, and of those of this type the only one that fits.
pub(crate) fn only<'e>(events: &'e [Value], kind: &str, fits: impl Fn(&Value) -> bool) -> &'e Value {
    let found: Vec<&Value> = events.iter().filter(|event| event["type"] == kind && fits(event)).collect();
    assert_eq!(found.len(), 1, "{kind}: {found:#?}\nof {events:#?}");
    found[0]
}

/// The container's doing. On a busy machine runc's own start falls into the container's cgroup too.
fn is_own(event: &Value) -> bool {
    !event["task"]["comm"].as_str().unwrap_or_default().starts_with("runc")
}

#[test]
fn a_refused_program_is_one_failed_exec() {
    let events = events_of_run("scratch", &[], &["/app/probe.glibc"]);
    let failed = only(&events, "exec_failed", |_| true);
    assert_eq!(
        (failed["errno"].as_str(), failed["path"].as_str()),
        (Some("ENOENT"), Some("/app/probe.glibc"))
    );
    assert_eq!(failed["task"]["ns_pid"], 1);
    assert!(!events.iter().any(|event| event["type"] == "exec" && is_own(event)), "{events:#?}");
}

#[test]
fn a_program_that_ran_is_one_birth_one_exec_one_exit_and_one_end() {
    let events = events_of_run("scratch", &[], &[STATIC, "exit", "7"]);
    let exec = only(&events, "exec", is_own);
    assert_eq!((exec["path"].as_str(), exec["task"]["ns_pid"].as_u64()), (Some(STATIC), Some(1)));
    let exit = only(&events, "exit", |event| event["task"]["ns_pid"] == 1);
    assert_eq!((exit["code"].as_u64(), exit["signal"].is_null()), (Some(7), true));
    for kind in ["cgroup_made", "cgroup_removed"] {
        assert!(only(&events, kind, |_| true)["path"].as_str().unwrap().starts_with('/'));
    }
    assert_eq!(events.first().unwrap()["type"], "cgroup_made");
}

#[test]
fn a_script_is_one_exec_with_the_file_that_runs_it() {
    let events = events_of_run("musl", &[], &["/app/good.sh"]);
    let exec = only(&events, "exec", is_own);
    assert_eq!(exec["path"], "/app/good.sh");
    assert_eq!(exec["interpreter"], "/bin/sh");
}

#[test]
fn a_telling_file_is_one_open_whether_it_is_there_or_not() {
    let path = "/proc/sys/kernel/osrelease";
    let events = events_of_run("scratch", &[], &[STATIC, "read", path]);
    let open = only(&events, "open", |event| event["path"] == path);
    assert!(open["fd"].is_u64() && open["errno"].is_null(), "{open}");
    let events = events_of_run("scratch", &[], &[STATIC, "read", "/etc/none.pem"]);
    let open = only(&events, "open", |event| event["path"] == "/etc/none.pem");
    assert_eq!((open["errno"].as_str(), open["class"].as_str()), (Some("ENOENT"), Some("certificate")));
}

#[test]
fn a_leak_is_one_oom_kill() {
    let events = events_of_run("scratch", &["--memory", "32m"], &[STATIC, "leak"]);
    let kill = only(&events, "oom_kill", |_| true);
    assert_eq!(kill["victim"]["ns_pid"], 1);
    assert!(kill["anon_pages"].as_u64() > Some(1000), "{kill}");
    let exit = only(&events, "exit", |event| event["task"]["ns_pid"] == 1);
    assert_eq!(exit["signal"], "SIGKILL");
}

#[test]
fn a_stop_is_one_signal_sent_from_outside_and_one_delivered() {
    let events = events_of(|| {
        let container = Container::new("probe", "scratch", &[STATIC, "serve"]);
        container.serve();
        docker_ok(&["stop", "--time", "10", &container.name]);
        let id = container.id();
        (container, id)
    });
    let sent = only(&events, "signal_sent", |event| event["signal"] == "SIGTERM");
    assert_eq!((sent["target"]["ns_pid"].as_u64(), sent["outcome"].as_str()), (Some(1), Some("delivered")));
    assert_ne!(sent["sender_cgroup"], sent["cgroup"]);
    let delivered = only(&events, "signal_delivered", |event| event["signal"] == "SIGTERM");
    assert_eq!(delivered["disposition"], "handler");
}

#[test]
fn a_refused_certificate_is_one_alert() {
    only(&events_of_run("scratch", &[], &[STATIC, "tls-local"]), "tls_alert", |_| true);
    let healthy = events_of_run("scratch", &[], &[STATIC, "tls-local-ok"]);
    assert!(!healthy.iter().any(|event| event["type"] == "tls_alert"), "{healthy:#?}");
}

/// The option of `docker run` for one of the profiles beside the fixtures: everything is allowed but what its name says.
fn profile(name: &str) -> String {
    format!("seccomp={}/../tests/live/fixtures/seccomp/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_refused_mount_and_a_read_only_root_are_one_refused_call_each_with_its_path() {
    let events = events_of_run("scratch", &[], &[STATIC, "mount-tmpfs", "/app"]);
    let mount = only(&events, "syscall_refused", |event| is_own(event) && event["syscall"] == "mount");
    assert_eq!((mount["errno"].as_str(), mount["path"].as_str()), (Some("EPERM"), Some("/app")));
    assert_eq!(mount["task"]["ns_pid"], 1);
    let events = events_of_run("scratch", &["--read-only"], &[STATIC, "mkdir", "/new"]);
    let mkdir = only(&events, "syscall_refused", is_own);
    assert_eq!((mkdir["syscall"].as_str(), mkdir["errno"].as_str()), (Some("mkdirat"), Some("EROFS")));
    assert_eq!(mkdir["path"], "/new");
    let healthy = events_of_run("scratch", &[], &[STATIC, "mkdir", "/new"]);
    assert!(!healthy.iter().any(|event| event["type"] == "syscall_refused" && is_own(event)), "{healthy:#?}");
}

#[test]
fn a_listening_socket_is_one_event_and_the_second_on_its_port_is_one_refused_bind() {
    // A Go program asks twice: for multipath TCP, then for plain TCP.
    let twice = "nc -l -p 8080 & until netstat -ltn | grep -q :8080; do :; done; nc -l -p 8080; kill %1";
    let events = events_of_run("musl", &[], &["sh", "-c", twice]);
    let listening = only(&events, "listening", |_| true);
    assert_eq!((listening["address"].as_str(), listening["port"].as_u64()), (Some("::"), Some(8080)));
    let bind = only(&events, "syscall_refused", is_own);
    assert_eq!((bind["syscall"].as_str(), bind["errno"].as_str()), (Some("bind"), Some("EADDRINUSE")));
    assert_eq!(bind["address"], "[::]:8080");
    let low = ["--user", "1000", "--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"];
    let events = events_of_run("musl", &low, &["nc", "-l", "-p", "80"]);
    let bind = only(&events, "syscall_refused", is_own);
    assert_eq!((bind["errno"].as_str(), bind["address"].as_str()), (Some("EACCES"), Some("[::]:80")));
    assert!(!events.iter().any(|event| event["type"] == "listening"), "{events:#?}");
    let events = events_of(|| {
        let container = Container::new("probe", "scratch", &[STATIC, "serve", "127.0.0.1:6060"]);
        container.serve();
        docker_ok(&["stop", &container.name]);
        let id = container.id();
        (container, id)
    });
    let listening = only(&events, "listening", |_| true);
    assert_eq!((listening["address"].as_str(), listening["port"].as_u64()), (Some("127.0.0.1"), Some(6060)));
}

#[test]
fn a_process_that_seccomp_ends_is_one_signal_with_the_number_of_the_call() {
    let options = ["--security-opt", &profile("chmod-kill")];
    let events = events_of_run("scratch", &options, &[STATIC, "chmod", STATIC]);
    let sent = only(&events, "signal_sent", |event| event["signal"] == "SIGSYS");
    let fchmodat = if cfg!(target_arch = "aarch64") { 53 } else { 268 };
    assert_eq!((sent["code"].as_u64(), sent["syscall"].as_u64()), (Some(1), Some(fchmodat)));
    assert!(!events.iter().any(|event| event["type"] == "syscall_refused"), "{events:#?}");
}

#[test]
fn a_thread_that_seccomp_ends_alone_is_one_refused_call_and_no_signal() {
    let options = ["--security-opt", &profile("chmod-kill-thread")];
    let events = events_of(|| {
        let container = Container::new("probe", "scratch", &[STATIC, "chmod", STATIC]).with(&options);
        assert_eq!(container.start().code, Some(0));
        let id = container.id();
        // Its main thread is gone, the others live on.
        let tasks = format!("/proc/{}/status", container.pid());
        wait_for("the end of its main thread", || {
            std::fs::read_to_string(&tasks).ok().filter(|status| status.contains("State:\tZ"))
        });
        container.kill_behind_runc();
        (container, id)
    });
    let ended = only(&events, "syscall_refused", |_| true);
    assert_eq!((ended["thread_killed"].as_bool(), ended["errno"].is_null()), (Some(true), true));
    assert_eq!(ended["syscall"], "fchmodat");
    assert!(!events.iter().any(|event| event["signal"] == "SIGSYS"), "{events:#?}");
}

#[test]
fn everyday_signals_are_counted_as_filtered_and_never_shown() {
    /// Five signals and five children.
    const SENT: f64 = 10.0;
    let agent = Agent::start();
    let filtered = || {
        let labels = [("probe", "signal_sent"), ("result", "filtered")];
        agent.metrics().sum("gomon_bpf_events_total", &labels).unwrap()
    };
    let before = filtered();
    let script = "for i in 1 2 3 4 5; do kill -URG $$; /app/probe.static ok; done; kill -USR1 $$";
    let events = events_of_run("bookworm", &[], &["/bin/bash", "-c", script]);
    only(&events, "signal_sent", |event| event["signal"] == "SIGUSR1");
    let noise = |event: &&Value| event["signal"] == "SIGURG" || event["signal"] == "SIGCHLD";
    assert_eq!(events.iter().find(noise), None);
    wait_for("the count", || (filtered() - before >= SENT).then_some(()));
}

#[test]
fn every_event_that_was_seen_was_filtered_submitted_or_lost() {
    let agent = Agent::start();
    let storm = "i=0; while [ $i -lt 200 ]; do cat /tmp/none$i; /app/nosuch; i=$((i+1)); done 2>/dev/null";
    let container = Container::new("storm", "bookworm", &["/bin/sh", "-c", storm]);
    container.run();
    let labels = [("probe", "open"), ("result", "submitted")];
    wait_for("the storm to be counted", || {
        agent.metrics().sum("gomon_bpf_events_total", &labels).filter(|count| *count >= 200.0)
    });
    let probes: Vec<String> = agent
        .metrics()
        .of("gomon_bpf_events_total", &[("result", "seen")])
        .map(|(labels, _)| labels["probe"].clone())
        .collect();
    assert_eq!(probes.len(), Probe::ALL.len(), "{probes:?}");
    for probe in &probes {
        // The counters are read one after another while the machine goes on.
        wait_for(&format!("the account of {probe} to balance"), || {
            let metrics = agent.metrics();
            let of = |result| {
                metrics.sum("gomon_bpf_events_total", &[("probe", probe), ("result", result)]).unwrap()
            };
            let accounted: f64 = ["filtered", "submitted", "lost_ring_full", "lost_unreadable", "lost_flood"]
                .into_iter()
                .map(of)
                .sum();
            ((of("seen") - accounted).abs() < 0.5).then_some(())
        });
    }
}

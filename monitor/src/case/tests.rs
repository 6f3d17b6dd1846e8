//! Which questions a run asks, when, and how often; what it keeps of processes that have ended.

use monitor_common::path::PathClass;

use super::*;
use crate::model::{
    container::{CgroupId, ContainerId},
    errno::Errno,
    event::Task,
    fact::CpuQuota,
    living::{ProcessStatus, ProcessTable},
    signal::Signal,
};

fn at(seconds: u64) -> BootNs {
    BootNs(seconds * SECOND)
}

fn case() -> Case {
    let run = Run { container: ContainerId("web".into()), cgroup: CgroupId(1) };
    let mut case = Case::new(run, at(1), Host::default());
    case.from_birth = true;
    let config = Config { own_pid_namespace: true, uid: 1000, ..Config::default() };
    case.learn(at(1), Fact::Config(Known::Is(config)));
    happen(&mut case, 1, 70, exec("/app/server"));
    case
}

/// `pid` 70 is PID 1 of the container.
fn happen(case: &mut Case, second: u64, pid: u32, kind: EventKind) -> Vec<Want> {
    let ns_pid = if pid == 70 { 1 } else { pid };
    let task = Task { pid, tid: pid, ns_pid, comm: "server".into() };
    case.happen(&Event { at: at(second), cgroup: case.run.cgroup, task, kind })
}

fn exec(path: &str) -> EventKind {
    EventKind::Exec { path: path.into(), interpreter: path.into(), parent_pid: 70 }
}

fn exit(code: i32) -> EventKind {
    EventKind::Exit { code, signal: None, core_dumped: false, parent_pid: 70 }
}

fn open(path: &str, class: PathClass, result: Result<i32, Errno>) -> EventKind {
    EventKind::Open { path: path.into(), class, result, flags: 0 }
}

/// What is asked when time comes to `second`.
fn due(case: &mut Case, second: u64) -> Vec<Want> {
    case.now = at(second);
    case.due_questions()
}

fn zombie(pid: u32) -> Fact {
    let processes = vec![ProcessStatus { pid, parent_pid: 70, is_zombie: true, ..ProcessStatus::default() }];
    Fact::Processes(Known::Is(ProcessTable { processes, left_out: 0 }))
}

#[test]
fn a_container_that_starts_as_root_is_looked_at_once_for_who_it_runs_as() {
    let mut case = case();
    assert_eq!(case.next_due(), None, "it does not start as root");
    case.learn(at(1), Fact::Config(Known::Is(Config::default())));
    assert_eq!((case.next_due(), due(&mut case, 3)), (Some(at(4)), Vec::new()));
    assert_eq!((due(&mut case, 4), due(&mut case, 60)), (vec![Want::Processes], Vec::new()));
}

#[test]
fn a_child_that_ended_is_looked_for_once_it_has_had_time_to_be_waited_for() {
    let mut case = case();
    happen(&mut case, 2, 80, exec("/app/child"));
    assert_eq!(happen(&mut case, 3, 80, exit(0)), []);
    assert!(case.next_due().is_some_and(|due| due.since(at(3)) >= ZOMBIE_NS));
    assert_eq!(due(&mut case, 5), []);
    assert_eq!(due(&mut case, 15), [Want::Processes]);
    case.learn(at(15), zombie(80));
    assert_eq!(case.surroundings.departure(80).map(|departed| departed.started_by), Some(70));
    assert_eq!(due(&mut case, 60), [], "it is known to be there for longer than that");
}

#[test]
fn nothing_is_looked_for_in_a_container_that_has_ended() {
    let mut case = case();
    happen(&mut case, 2, 80, exec("/app/child"));
    happen(&mut case, 3, 80, exit(0));
    case.vanished_at = Some(at(4));
    assert_eq!(due(&mut case, 15), []);
}

#[test]
fn a_cpu_quota_is_looked_at_every_ten_seconds() {
    let mut case = case();
    let quota = Some(CpuQuota { quota_us: 50_000, period_us: 100_000 });
    case.learn(at(2), Fact::Config(Known::Is(Config { cpu_quota: quota, uid: 1000, ..Config::default() })));
    for second in [3, 13, 23] {
        assert_eq!(due(&mut case, second), [Want::Cpu], "{second} s");
        assert_eq!(due(&mut case, second + 5), []);
    }
}

#[test]
fn a_certificate_is_asked_for_once_and_a_container_cannot_ask_for_many() {
    let mut case = case();
    let certificate = |path: &str| open(path, PathClass::Certificate, Ok(3));
    assert_eq!(happen(&mut case, 2, 70, certificate("/certs/a.crt")), [Want::Pem("/certs/a.crt".into())]);
    assert_eq!(happen(&mut case, 2, 70, certificate("/certs/a.crt")), []);
    let asked: usize =
        (0..1_000).map(|n| happen(&mut case, 3, 70, certificate(&format!("/{n}.key"))).len()).sum();
    assert!(asked < 64, "{asked}");
}

#[test]
fn a_stop_asks_what_the_first_process_does_with_signals() {
    let mut case = case();
    let target = Task { pid: 70, tid: 70, ns_pid: 1, comm: "server".into() };
    let stop = EventKind::SignalSent {
        signal: Signal::TERM,
        code: 0,
        target,
        sender_cgroup: CgroupId(9),
        outcome: crate::model::event::SignalOutcome::Ignored,
        syscall: None,
    };
    assert_eq!(happen(&mut case, 2, 999, stop), [Want::Processes]);
}

#[test]
fn a_program_that_ends_at_once_is_kept_only_as_long_as_its_loader_is_in_doubt() {
    let mut case = case();
    happen(&mut case, 2, 80, exec("/bin/grep"));
    assert_eq!(happen(&mut case, 2, 80, exit(1)), [Want::File("/bin/grep".into())]);
    assert!(case.process(80).is_some(), "nobody knows yet");
    let file = Known::Is(FileFact::Absent { path: "/bin/grep".into(), missing: "/bin/grep".into() });
    case.learn(at(2), Fact::File { path: "/bin/grep".into(), file });
    assert!(case.process(80).is_none());
    happen(&mut case, 3, 81, exec("/bin/grep"));
    assert_eq!(happen(&mut case, 3, 81, exit(1)), []);
    assert!(case.process(81).is_none());
}

#[test]
fn a_command_from_outside_that_fails_is_remembered_and_their_number_is_bounded() {
    let mut case = case();
    let stage = |case: &mut Case, pid: u32| {
        let task = Task { pid, tid: pid, ns_pid: pid, comm: "runc:[2:INIT]".into() };
        case.happen(&Event { at: at(5), cgroup: case.run.cgroup, task, kind: exit(126) })
    };
    assert_eq!(stage(&mut case, 90), [Want::File("/bin/sh".into())]);
    let visit = case.surroundings.failed_visits.front().copied();
    assert_eq!(visit.map(|visit| (visit.code, visit.has_started)), Some((126, false)));
    for pid in 100..200 {
        stage(&mut case, pid);
    }
    assert!(case.surroundings.failed_visits.len() < 64);
}

#[test]
fn a_telling_open_plans_one_look_and_everyday_ones_plan_none() {
    let mut case = case();
    let event = |kind: EventKind| Event { at: at(2), cgroup: CgroupId(1), task: Task::default(), kind };
    assert!(!case.plans_look_after(&event(open("/lib/x.so", PathClass::SharedLibrary, Err(Errno::ENOENT)))));
    assert!(case.plans_look_after(&event(open("/data/x", PathClass::Other, Err(Errno::EROFS)))));
    assert!(!case.plans_look_after(&event(open("/data/y", PathClass::Other, Err(Errno::EROFS)))));
    assert_eq!(due(&mut case, 4), []);
    assert!(case.plans_look_after(&event(open("/data/z", PathClass::Other, Err(Errno::EROFS)))));
}

#[test]
fn signals_without_end_ask_for_one_look_at_a_time() {
    let mut case = case();
    let term = |case: &mut Case, second: u64| {
        let target = Task { pid: 70, tid: 70, ns_pid: 1, comm: "server".into() };
        let (outcome, sender_cgroup) = (crate::model::event::SignalOutcome::Delivered, case.run.cgroup);
        let signal = EventKind::SignalSent {
            signal: Signal::TERM,
            code: 0,
            target,
            sender_cgroup,
            outcome,
            syscall: None,
        };
        happen(case, second, 70, signal)
    };
    assert_eq!(term(&mut case, 2), [Want::Processes]);
    assert!((0..100).all(|_| term(&mut case, 2).is_empty()));
    case.learn(at(2), Fact::Processes(Known::Is(ProcessTable::default())));
    assert_eq!(term(&mut case, 2), [], "the answer is as fresh as a new one");
    assert_eq!(term(&mut case, 3), [Want::Processes]);
    assert_eq!(term(&mut case, 7), [Want::Processes], "an answer that does not come is given up");
}

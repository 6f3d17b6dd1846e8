//! What the engine makes of whole stories, told as observations.

use super::*;
use crate::model::{
    diagnosis::Confidence,
    errno::Errno,
    event::Task,
    fact::{Config, Content, Entrypoint, Fact, FileFact, FileKind, Known, Passwd, TrustStore, Want},
    observation::Loss,
    time::MS,
};

fn run(cgroup: u64) -> Run {
    Run { container: ContainerId("ab".repeat(32).into()), cgroup: CgroupId(cgroup) }
}

fn at(ms: u64) -> BootNs {
    BootNs(ms * MS)
}

fn init() -> Task {
    Task { pid: 70, tid: 70, ns_pid: 1, comm: "runc:[2:INIT]".into() }
}

fn happened(run: &Run, ms: u64, kind: EventKind) -> Observation {
    Observation::Happened {
        run: run.clone(),
        event: Event { at: at(ms), cgroup: run.cgroup, task: init(), kind },
    }
}

fn learned(run: &Run, ms: u64, fact: Fact) -> Observation {
    Observation::Learned { run: run.clone(), at: at(ms), fact: Box::new(fact) }
}

fn absent(path: &str) -> FileFact {
    FileFact::Absent { path: path.into(), missing: path.into() }
}

fn entrypoint(file: Known<FileFact>) -> Fact {
    Fact::Entrypoint(Known::Is(Entrypoint {
        command: "/app/x".into(),
        searched: vec!["/app/x".into()],
        file,
    }))
}

fn empty_file() -> FileFact {
    FileFact::Present(Box::new(crate::model::fact::File {
        path: "/app/x".into(),
        resolved: "/app/x".into(),
        kind: FileKind::Regular,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size_bytes: 0,
        noexec_mount: None,
        closed_directory: None,
        capabilities: None,
        content: Known::Is(Content::Empty),
    }))
}

fn exec_failed(errno: Errno) -> EventKind {
    EventKind::ExecFailed { errno, path: "/app/x".into(), argv0: "/app/x".into() }
}

fn exec() -> EventKind {
    EventKind::Exec { path: "/app/x".into(), interpreter: "/app/x".into(), parent_pid: 1 }
}

fn exit(code: i32) -> EventKind {
    EventKind::Exit { code, signal: None, core_dumped: false, parent_pid: 1 }
}

/// A container that was watched from its birth, with its configuration and entrypoint known.
fn born(engine: &mut Engine, run: &Run, ms: u64, file: FileFact) {
    // Nothing about its privileges is worth a remark.
    let config = Config { own_pid_namespace: true, user_namespace: true, seccomp: true, ..Config::default() };
    let passwd = Passwd { file_present: true, uid: 0, name: Some("root".into()), entries: 1 };
    engine.observe(&Observation::Appeared { run: run.clone(), at: at(ms), from_birth: true });
    engine.observe(&learned(run, ms, Fact::Config(Known::Is(config))));
    engine.observe(&learned(run, ms, entrypoint(Known::Is(file))));
    engine.observe(&learned(run, ms, Fact::Passwd(Known::Is(passwd))));
    engine.observe(&learned(run, ms, Fact::TrustStore(Known::Is(TrustStore::default()))));
}

fn patterns(engine: &Engine) -> Vec<(String, u64)> {
    engine.diagnoses().into_iter().map(|one| (one.pattern.clone(), one.count)).collect()
}

#[test]
fn a_failed_exec_is_judged_when_it_has_settled_or_the_process_has_ended() {
    let (mut engine, run) = (Engine::new(), run(1));
    born(&mut engine, &run, 0, empty_file());
    engine.observe(&happened(&run, 50, exec_failed(Errno::ENOEXEC)));
    assert!(patterns(&engine).is_empty());
    assert_eq!(engine.next_due(), Some(at(60)));
    engine.observe(&Observation::Tick { at: at(60) });
    assert_eq!(patterns(&engine), [("exec-format".to_owned(), 1)]);
    engine.observe(&happened(&run, 61, exit(1)));
    assert_eq!(patterns(&engine), [("exec-format".to_owned(), 1)], "the same occurrence");
}

#[test]
fn an_exec_that_succeeds_in_the_end_was_a_search() {
    let (mut engine, run) = (Engine::new(), run(1));
    born(&mut engine, &run, 0, empty_file());
    engine.observe(&happened(&run, 50, exec_failed(Errno::ENOEXEC)));
    engine.observe(&happened(&run, 51, exec()));
    engine.observe(&Observation::Tick { at: at(100) });
    assert!(patterns(&engine).is_empty());
}

#[test]
fn a_search_of_the_containers_own_may_take_its_time_on_a_busy_machine() {
    let (mut engine, run) = (Engine::new(), run(1));
    born(&mut engine, &run, 0, empty_file());
    let perl = |ms, kind| {
        let task = Task { pid: 80, tid: 80, ns_pid: 9, comm: "perl".into() };
        Observation::Happened {
            run: run.clone(),
            event: Event { at: at(ms), cgroup: run.cgroup, task, kind },
        }
    };
    engine.observe(&perl(50, exec_failed(Errno::ENOEXEC)));
    engine.observe(&Observation::Tick { at: at(500) });
    engine.observe(&perl(600, exec()));
    engine.observe(&Observation::Tick { at: at(5000) });
    assert!(patterns(&engine).is_empty());

    engine.observe(&perl(5050, exec_failed(Errno::ENOEXEC)));
    // A start of the runtime is judged in its own time meanwhile.
    engine.observe(&happened(&run, 5060, exec_failed(Errno::ENOEXEC)));
    assert_eq!(engine.next_due(), Some(at(5070)));
    engine.observe(&Observation::Tick { at: at(5070) });
    assert_eq!(patterns(&engine), [("exec-format".to_owned(), 1)]);
    assert_eq!(engine.next_due(), Some(at(6050)));
    engine.observe(&Observation::Tick { at: at(6050) });
    assert_eq!(engine.next_due(), None);
}

#[test]
fn a_missing_library_is_judged_when_the_programs_own_list_has_come_or_is_given_up() {
    let tell = |answer: Option<(u64, Known<FileFact>)>| {
        let (mut engine, run) = (Engine::new(), run(1));
        born(&mut engine, &run, 0, empty_file());
        let search = EventKind::Open {
            path: "/usr/lib/libno.so".into(),
            class: monitor_common::path::PathClass::SharedLibrary,
            result: Err(Errno::ENOENT),
            flags: 0,
        };
        let program = "/app/plugin-host".to_owned();
        let exec = EventKind::Exec { path: program.clone(), interpreter: program.clone(), parent_pid: 1 };
        for (ms, kind) in [(50, exec), (51, search), (52, exit(127))] {
            let task = Task { pid: 80, tid: 80, ns_pid: 9, comm: "host".into() };
            let event = Event { at: at(ms), cgroup: run.cgroup, task, kind };
            engine.observe(&Observation::Happened { run: run.clone(), event });
        }
        assert!(patterns(&engine).is_empty(), "the list may still come");
        if let Some((ms, file)) = answer {
            engine.observe(&learned(&run, ms, Fact::File { path: program, file }));
        }
        engine.observe(&Observation::Tick { at: at(4000) });
        patterns(&engine)
    };
    let found = [("missing-library".to_owned(), 1)];
    assert_eq!(tell(None), found);
    assert_eq!(tell(Some((80, Known::unknown("gone")))), found);
}

#[test]
fn a_crash_loop_is_one_diagnosis_with_a_count() {
    let mut engine = Engine::new();
    for life in 0..5 {
        let run = run(10 + life);
        let start = life * 1000;
        born(&mut engine, &run, start, absent("/app/x"));
        engine.observe(&happened(&run, start + 50, exit(1)));
        engine.observe(&Observation::Vanished { run, at: at(start + 60) });
    }
    assert_eq!(patterns(&engine), [("entrypoint-not-found".to_owned(), 5)]);
    let conclusion = engine.conclude(&run(0).container).unwrap();
    assert_eq!(conclusion.verdict, Verdict::Findings);
    assert_eq!(conclusion.ending.map(|ending| ending.meaning), Some(Meaning::Explained));
}

#[test]
fn facts_that_arrive_after_the_failure_complete_the_verdict() {
    let (mut engine, run) = (Engine::new(), run(1));
    engine.observe(&Observation::Appeared { run: run.clone(), at: at(0), from_birth: true });
    let step = engine.observe(&happened(&run, 50, exec_failed(Errno::ENOEXEC)));
    let wanted = Wanted { run: run.clone(), want: Want::File("/app/x".into()) };
    assert_eq!(step.wanted, [wanted]);
    engine.observe(&happened(&run, 51, exit(1)));
    assert_eq!(engine.conclude(&run.container).unwrap().verdict, Verdict::Inconclusive);
    let step = engine.observe(&learned(&run, 80, entrypoint(Known::Is(empty_file()))));
    let change = step.changes.first().unwrap().diagnosis();
    assert_eq!((change.pattern.as_str(), change.confidence), ("exec-format", Confidence::Certain));
}

#[test]
fn blindness_and_loss_make_an_answer_inconclusive_never_clean() {
    let healthy = |extra: Option<Observation>| {
        let (mut engine, run) = (Engine::new(), run(1));
        born(&mut engine, &run, 0, empty_file());
        engine.observe(&happened(&run, 50, exec()));
        if let Some(extra) = extra {
            engine.observe(&extra);
        }
        engine.observe(&happened(&run, 90, exit(0)));
        engine.conclude(&run.container).unwrap()
    };
    assert_eq!(healthy(None).verdict, Verdict::Clean);
    let lost = Observation::Lost { at: at(60), probe: "open".into(), count: 3, reason: Loss::RingFull };
    let conclusion = healthy(Some(lost));
    assert_eq!((conclusion.verdict, conclusion.coverage.events_lost), (Verdict::Inconclusive, 3));
    let blind = Observation::Blind { at: at(60), probe: "oom_kill".into(), why: "refused".into() };
    let conclusion = healthy(Some(blind));
    assert_eq!(conclusion.verdict, Verdict::Inconclusive);
    assert!(conclusion.coverage.blind.iter().any(|one| one.patterns == ["oom-kill"]));
}

#[test]
fn without_uprobes_only_containers_that_can_call_dlopen_are_in_doubt() {
    let concluded = |watched: Known<bool>| {
        let (mut engine, run) = (Engine::new(), run(1));
        engine.observe(&Observation::Blind {
            at: at(0),
            probe: "dlopen_failed".into(),
            why: "refused".into(),
        });
        born(&mut engine, &run, 0, empty_file());
        engine.observe(&learned(&run, 10, Fact::DlopenWatched(watched)));
        engine.observe(&happened(&run, 50, exec()));
        engine.conclude(&run.container).unwrap()
    };
    assert_eq!(concluded(Known::Is(false)).verdict, Verdict::Clean);
    let conclusion = concluded(Known::unknown("refused"));
    assert_eq!(conclusion.verdict, Verdict::Inconclusive);
    let blind: Vec<_> = conclusion.coverage.blind.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(blind, ["calls of dlopen"]);
}

#[test]
fn a_loss_before_a_container_was_born_does_not_touch_it() {
    let (mut engine, run) = (Engine::new(), run(1));
    engine.observe(&Observation::Lost { at: at(1), probe: "open".into(), count: 3, reason: Loss::RingFull });
    born(&mut engine, &run, 10, empty_file());
    engine.observe(&happened(&run, 50, exec()));
    assert_eq!(engine.conclude(&run.container).unwrap().verdict, Verdict::Clean);
}

#[test]
fn an_exit_that_nothing_explains_is_told_as_such() {
    let (mut engine, run) = (Engine::new(), run(1));
    born(&mut engine, &run, 0, empty_file());
    engine.observe(&happened(&run, 50, exec()));
    engine.observe(&happened(&run, 90, exit(3)));
    let conclusion = engine.conclude(&run.container).unwrap();
    assert_eq!(conclusion.verdict, Verdict::Inconclusive);
    let ending = conclusion.ending.unwrap();
    assert_eq!((ending.code, ending.meaning), (3, Meaning::Unexplained));
}

#[test]
fn a_container_that_nobody_saw_has_no_conclusion() {
    assert_eq!(Engine::new().conclude(&run(1).container), None);
}

#[test]
fn a_loss_is_never_forgotten_however_many_follow() {
    let (mut engine, run) = (Engine::new(), run(1));
    engine.observe(&Observation::Appeared { run: run.clone(), at: at(0), from_birth: true });
    let lose = |ms| Observation::Lost { at: at(ms), probe: "open".into(), count: 1, reason: Loss::RingFull };
    engine.observe(&lose(1));
    engine.observe(&Observation::Vanished { run: run.clone(), at: at(2) });
    for second in 0..3_000 {
        engine.observe(&lose(10_000 + second * 10));
    }
    let coverage = engine.conclude(&run.container).unwrap().coverage;
    assert!(coverage.events_lost > 0);
}

#[test]
fn a_recording_from_the_end_of_time_overflows_nothing() {
    let (end, run) = (u64::MAX, run(1));
    let mut engine = Engine::new();
    let late = |kind| {
        let event = Event { at: BootNs(end), cgroup: run.cgroup, task: init(), kind };
        Observation::Happened { run: run.clone(), event }
    };
    let kept_back = || Observation::KeptBack {
        run: run.clone(),
        at: BootNs(end),
        probe: "open".into(),
        count: end,
        ended: false,
    };
    engine.observe(&late(EventKind::ExecFailed {
        errno: Errno::ENOENT,
        path: "/app".into(),
        argv0: "/app".into(),
    }));
    engine.observe(&late(EventKind::TlsRefused { fd: 3 }));
    engine.observe(&kept_back());
    engine.observe(&kept_back());
    for _ in 0..MAX_LOSSES + 2 {
        let lost =
            Observation::Lost { at: BootNs(end), probe: "open".into(), count: end, reason: Loss::RingFull };
        engine.observe(&lost);
    }
    engine.observe(&Observation::Vanished { run: run.clone(), at: BootNs(end) });
    engine.settle();
    assert!(engine.conclude(&run.container).is_some());
}

#[test]
fn what_completes_a_pattern_in_a_flood_is_judged_when_the_window_is_over() {
    let (mut engine, run) = (Engine::new(), run(1));
    born(&mut engine, &run, 0, empty_file());
    engine.observe(&happened(&run, 50, exec()));
    let address = "127.0.0.1:80".parse().unwrap();
    for _ in 0..1_000 {
        engine.observe(&happened(&run, 300, EventKind::Listening { address }));
    }
    let killed = EventKind::OomKill {
        victim: init(),
        anon_pages: None,
        file_pages: None,
        shmem_pages: None,
        limit_pages: Some(1),
    };
    assert_eq!(engine.observe(&happened(&run, 301, killed)).changes, []);
    assert_eq!(engine.next_due(), Some(at(500)));
    engine.observe(&Observation::Tick { at: at(500) });
    assert_eq!(patterns(&engine), [("oom-kill".to_owned(), 1)]);
}

#[test]
fn a_living_run_that_is_let_go_for_want_of_room_is_counted() {
    let mut engine = Engine::new();
    let appeared = |number: usize| Observation::Appeared {
        run: Run { container: ContainerId(format!("{number:064x}").into()), cgroup: CgroupId(number as u64) },
        at: at(number as u64),
        from_birth: true,
    };
    for number in 0..MAX_RUNS {
        engine.observe(&appeared(number));
    }
    assert_eq!((engine.containers().len(), engine.runs_given_up), (MAX_RUNS, 0));
    engine.observe(&appeared(MAX_RUNS));
    assert_eq!((engine.cases.len(), engine.runs_given_up), (MAX_RUNS, 1));
}

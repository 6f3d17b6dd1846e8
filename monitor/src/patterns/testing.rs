//! Short stories of one container, told to an engine: what it finds in each.

use monitor_common::path::PathClass;

use super::Pattern;
use crate::{
    engine::Engine,
    model::{
        container::{CgroupId, ContainerId, Run},
        diagnosis::{Confidence, Finding, Severity},
        errno::Errno,
        event::{Event, EventKind, Refusal, RefusedAbout, Task},
        fact::{Config, Fact, File, FileFact, FileKind, Known},
        observation::Observation,
        time::{BootNs, MS},
    },
};

/// The path of every story's program.
pub(super) const PROGRAM: &str = "/app/x";
pub(super) const WRITES: u32 = 0o101;
const GO: &str = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

/// A container that is watched from its birth.
pub(super) struct Story {
    engine: Engine,
    run: Run,
    now_ms: u64,
    task: Task,
}

/// Pattern, severity, confidence and subject of a diagnosis.
pub(super) type Found = (String, Severity, Confidence, String);

impl Story {
    /// Its first process runs the program; with `go` it is a Go program.
    pub(super) fn of(config: Config, go: bool) -> Self {
        let run = Run { container: ContainerId("ab".repeat(32).into()), cgroup: CgroupId(1) };
        let task = Task { pid: 70, tid: 70, ns_pid: 1, comm: "runc:[2:INIT]".into() };
        let mut engine = Engine::new();
        engine.observe(&Observation::Appeared { run: run.clone(), at: BootNs(0), from_birth: true });
        let story = Self { engine, run, now_ms: 0, task };
        // Nothing about its privileges is worth a remark.
        let config = Config { own_pid_namespace: true, user_namespace: true, seccomp: true, ..config };
        story.learns(Fact::Config(Known::Is(config))).starts(go)
    }

    /// Another process, a child of the first.
    pub(super) fn child(mut self, go: bool) -> Self {
        self.task = Task { pid: 80, tid: 80, ns_pid: 2, comm: "x".into() };
        self.starts(go)
    }

    /// Back to the first process.
    pub(super) fn first(mut self) -> Self {
        self.task = Task { pid: 70, tid: 70, ns_pid: 1, comm: "x".into() };
        self
    }

    fn starts(self, go: bool) -> Self {
        let (path, interpreter) = (PROGRAM.to_owned(), PROGRAM.to_owned());
        let parent_pid = if self.task.pid == 70 { 1 } else { 70 };
        let story = self.happens(EventKind::Exec { path, interpreter, parent_pid });
        if go { story.opens(GO, PathClass::GoRuntimeStart, Ok(3), 0) } else { story }
    }

    pub(super) fn learns(mut self, fact: Fact) -> Self {
        let at = BootNs(self.now_ms * MS);
        self.engine.observe(&Observation::Learned { run: self.run.clone(), at, fact: Box::new(fact) });
        self
    }

    pub(super) fn happens(mut self, kind: EventKind) -> Self {
        self.now_ms += 1;
        let (at, cgroup, task) = (BootNs(self.now_ms * MS), self.run.cgroup, self.task.clone());
        let event = Event { at, cgroup, task, kind };
        self.engine.observe(&Observation::Happened { run: self.run.clone(), event });
        self
    }

    pub(super) fn opens(self, path: &str, class: PathClass, result: Result<i32, Errno>, flags: u32) -> Self {
        self.happens(EventKind::Open { path: path.into(), class, result, flags })
    }

    /// An open that fails, for writing.
    pub(super) fn cannot_write(self, path: &str, class: PathClass, errno: Errno) -> Self {
        self.opens(path, class, Err(errno), WRITES)
    }

    pub(super) fn refuses(self, syscall: &str, path: &str, errno: Errno) -> Self {
        self.happens(EventKind::SyscallRefused {
            syscall: syscall.into(),
            result: Refusal::Errno(errno),
            // AT_FDCWD
            arguments: [0xffff_ff9c, 0, 0],
            about: Some(RefusedAbout::Path(path.into())),
        })
    }

    pub(super) fn exits(self, code: i32) -> Self {
        self.happens(EventKind::Exit { code, signal: None, core_dumped: false, parent_pid: 1 })
    }

    pub(super) fn absent(self, path: &str) -> Self {
        let file = FileFact::Absent { path: path.into(), missing: path.into() };
        self.learns(Fact::File { path: path.into(), file: Known::Is(file) })
    }

    /// What stands there belongs to root.
    pub(super) fn present(self, path: &str, kind: FileKind, mode: u32) -> Self {
        let file = File {
            path: path.into(),
            resolved: path.into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            size_bytes: 0,
            noexec_mount: None,
            closed_directory: None,
            capabilities: None,
            content: Known::default(),
        };
        let file = Known::Is(FileFact::Present(Box::new(file)));
        self.learns(Fact::File { path: path.into(), file })
    }

    pub(super) fn waits(mut self, ms: u64) -> Self {
        self.now_ms += ms;
        self.engine.observe(&Observation::Tick { at: BootNs(self.now_ms * MS) });
        self
    }

    pub(super) fn binds(self, address: &str, errno: Errno) -> Self {
        self.happens(EventKind::SyscallRefused {
            syscall: "bind".into(),
            result: Refusal::Errno(errno),
            arguments: [3, 0, 28],
            about: Some(RefusedAbout::Address(address.parse().unwrap())),
        })
    }

    pub(super) fn listens(self, address: &str) -> Self {
        self.happens(EventKind::Listening { address: address.parse().unwrap() })
    }

    /// As a TLS client refuses a server's certificate.
    pub(super) fn refuses_a_server(self) -> Self {
        self.happens(EventKind::TlsRefused { fd: 3 })
    }

    /// What a pattern says at this moment.
    pub(super) fn told_now(&self, pattern: &Pattern) -> Vec<Finding> {
        self.engine.case(&self.run.container).map(pattern.matches).unwrap_or_default()
    }

    /// The same, a line each: severity, confidence, subject.
    pub(super) fn lines_of(&self, pattern: &Pattern) -> Vec<String> {
        let each = self.told_now(pattern).into_iter();
        each.map(|one| format!("{} {} {}", one.severity, one.confidence, one.subject)).collect()
    }

    /// All diagnoses after everything has settled.
    pub(super) fn found(mut self) -> Vec<Found> {
        self.engine.settle();
        let each = self.engine.diagnoses().into_iter();
        each.map(|one| (one.pattern.clone(), one.severity, one.confidence, one.subject.clone())).collect()
    }
}

//! The digest of one process: what it tried to run and open, which signals it got, how it ended. Bounded.

use std::{collections::BTreeMap, sync::Arc};

use monitor_common::path::PathClass;

use super::{
    Case,
    seen::{
        DlopenSeen, ExecFailure, ExitSeen, LibrarySearch, ListenSeen, OomSeen, OpenSeen, Program,
        RefusedSeen, SignalSeen,
    },
};
use crate::model::{
    errno::Errno,
    event::{Event, EventKind, Task},
    signal::Signal,
    time::{BootNs, SECOND},
};

/// Entries that each list of a process keeps; the first ones matter most.
const MAX_ENTRIES: usize = 48;
/// Successful opens of trust stores among them: a store of many files must leave room for what goes wrong later.
const MAX_TRUST_OPENS: usize = 8;
/// Libraries whose search a process remembers.
const MAX_LIBRARIES: usize = 64;

/// From the exec to the end of a program that its loader gives up.
const LOADER_TAKES_NS: u64 = SECOND;
/// The exit code of both dynamic loaders when a library is missing.
pub const LOADER_EXIT: i32 = 127;

/// A process of the container.
#[derive(Debug, Clone)]
pub struct Process {
    /// In the host's pid namespace.
    pub pid: u32,
    /// In its own pid namespace; 0 if unknown.
    pub ns_pid: u32,
    pub parent_pid: u32,
    /// An ancestor was started from outside: `docker exec`, a health check.
    pub(super) descends_from_outside: bool,
    pub comm: Arc<str>,
    pub first_seen: BootNs,
    /// What it runs now; `None`: nothing was executed since it was forked, or since gomon looks.
    pub program: Option<Program>,
    /// Failed execs since the last successful one.
    pub exec_failures: Vec<ExecFailure>,
    /// Shared libraries by file name.
    pub libraries: BTreeMap<String, LibrarySearch>,
    /// Other telling opens in order.
    pub opens: Vec<OpenSeen>,
    /// The Go runtime started in it.
    pub go_started: Option<BootNs>,
    /// Signals that were sent to it.
    pub signals: Vec<SignalSeen>,
    /// It refused a TLS server's certificate.
    pub tls_refused: Option<BootNs>,
    /// Watched system calls that it was refused.
    pub refused: Vec<RefusedSeen>,
    pub listening: Vec<ListenSeen>,
    pub dlopens: Vec<DlopenSeen>,
    pub oom: Option<OomSeen>,
    pub exit: Option<ExitSeen>,
    /// Entries that a full list had no room for.
    pub dropped: u64,
    /// Bit mask by the number of [`PathClass`]: at least one open of that class succeeded.
    opened_classes: u32,
}

impl Process {
    pub(super) fn new(pid: u32, at: BootNs) -> Self {
        Self {
            pid,
            ns_pid: 0,
            parent_pid: 0,
            descends_from_outside: false,
            comm: Arc::default(),
            first_seen: at,
            program: None,
            exec_failures: Vec::new(),
            libraries: BTreeMap::new(),
            opens: Vec::new(),
            go_started: None,
            signals: Vec::new(),
            tls_refused: None,
            refused: Vec::new(),
            listening: Vec::new(),
            dlopens: Vec::new(),
            oom: None,
            exit: None,
            dropped: 0,
            opened_classes: 0,
        }
    }

    /// Whether it can be the container's first process: PID 1, or in the host's pid namespace, where nobody is, what
    /// the runtime started.
    pub(super) fn may_be_init(&self, case: &Case) -> bool {
        if case.shares_host_pids() {
            return self.is_runtime_stage()
                || self.program.as_ref().is_some_and(|program| program.by_runtime);
        }
        self.ns_pid == 1
    }

    /// A stage of runc or crun that has not executed the container's command yet.
    pub fn is_runtime_stage(&self) -> bool {
        let comm = self.exec_failures.last().map_or(&*self.comm, |failure| &*failure.comm);
        self.program.is_none() && (comm.starts_with("runc") || comm.starts_with("crun") || comm == "conmon")
    }

    /// Something happened to it that a pattern may rest on after its end.
    pub(super) fn is_notable(&self) -> bool {
        self.ns_pid == 1
            || !self.exec_failures.is_empty()
            || self.oom.is_some()
            || self.tls_refused.is_some()
            || self.signals.iter().any(|seen| matches!(seen.signal, Signal::TERM | Signal::SYS))
            || !(self.refused.is_empty() && self.listening.is_empty() && self.dlopens.is_empty())
            || self.go_started.is_some() && self.is_notable_go()
            || self.exit.is_none_or(|exit| exit.shell_code() != 0)
                && (self.missed_a_file() || self.has_opened(PathClass::Certificate))
            || self.gave_up_before_main().is_some()
    }

    /// Nothing but the way it ended says that anything was wrong with it.
    pub(super) fn is_notable_by_its_end_alone(&self) -> bool {
        self.ns_pid != 1
            && self.exec_failures.is_empty()
            && self.oom.is_none()
            && self.tls_refused.is_none()
            && self.signals.is_empty()
            && self.refused.is_empty()
            && self.listening.is_empty()
            && self.dlopens.is_empty()
            && !self.missed_a_file()
    }

    /// A Go program may look for these files and go on without them.
    fn is_notable_go(&self) -> bool {
        let is_telling = |open: &OpenSeen| match open.class {
            PathClass::OsRelease | PathClass::UserDatabase => true,
            PathClass::Other | PathClass::Resolver | PathClass::TimeZone | PathClass::Temporary => {
                open.result.is_err()
            }
            PathClass::SharedLibrary
            | PathClass::LoaderCache
            | PathClass::TrustStore
            | PathClass::Certificate
            | PathClass::GoRuntimeStart => false,
        };
        let ended_badly = self.exit.is_some_and(|exit| {
            exit.signal == Some(Signal::KILL) || exit.code == 2 && exit.at.since(self.first_seen) < SECOND
        });
        ended_badly || self.opens.iter().any(is_telling)
    }

    /// The file that was mapped, if the program ended as one that its loader gives up for symbols or their versions:
    /// code 1 or 127, soon, and neither a failed search nor the Go runtime.
    pub fn gave_up_before_main(&self) -> Option<&String> {
        let program = self.program.as_ref().filter(|_| self.go_started.is_none())?;
        let exit = self.exit.filter(|exit| exit.signal.is_none() && matches!(exit.code, 1 | LOADER_EXIT))?;
        (exit.at.since(program.at) < LOADER_TAKES_NS).then_some(&program.interpreter)
    }

    /// What the runtime's own stages miss on their way is none of the container's doing.
    fn missed_a_file(&self) -> bool {
        !self.is_runtime_stage()
            && (self.libraries.values().any(|search| search.opened.is_none())
                || self.opens.iter().any(|open| open.result.is_err()))
    }

    /// The file that was mapped, if it ended as loaders end one whose library they cannot find.
    pub(super) fn given_up_by_loader(&self) -> Option<&String> {
        let exit = self.exit.filter(|exit| exit.code == LOADER_EXIT && exit.signal.is_none())?;
        let lacks =
            self.libraries.values().any(|search| search.opened.is_none() && exit.at >= search.last_at);
        let program = self.program.as_ref().filter(|_| self.go_started.is_none() && lacks)?;
        Some(&program.interpreter)
    }

    fn identify(&mut self, task: &Task) {
        if task.ns_pid != 0 {
            self.ns_pid = task.ns_pid;
        }
        self.comm.clone_from(&task.comm);
    }

    /// An event that the process itself reported.
    pub(super) fn happened(&mut self, event: &Event) {
        if self.exit.is_some() {
            // The pid was given to another process.
            *self = Self::new(self.pid, event.at);
        }
        // The exec is reported under the new program's name.
        let by_runtime = self.is_runtime_stage();
        self.identify(&event.task);
        match &event.kind {
            EventKind::ExecFailed { errno, path, argv0 } => {
                let failure = ExecFailure {
                    at: event.at,
                    errno: *errno,
                    path: path.clone(),
                    argv0: argv0.clone(),
                    comm: event.task.comm.clone(),
                };
                self.dropped += push(&mut self.exec_failures, failure);
            }
            EventKind::Exec { path, interpreter, parent_pid } => {
                self.parent_pid = *parent_pid;
                let (path, interpreter) = (path.clone(), interpreter.clone());
                self.starts(Program { at: event.at, path, interpreter, parent_pid: *parent_pid, by_runtime });
            }
            EventKind::Open { path, class, result, flags } => {
                self.opened(event.at, path, *class, *result, *flags);
            }
            EventKind::SignalDelivered { signal, disposition, .. } => {
                let sent = self.signals.iter_mut().rfind(|s| s.signal == *signal && s.delivered.is_none());
                if let Some(sent) = sent {
                    sent.delivered = Some((event.at, *disposition));
                }
            }
            EventKind::TlsRefused { .. } => self.tls_refused = self.tls_refused.or(Some(event.at)),
            EventKind::Exit { code, signal, parent_pid, .. } => {
                self.parent_pid = *parent_pid;
                self.exit = Some(ExitSeen { at: event.at, code: *code, signal: *signal });
            }
            EventKind::SyscallRefused { syscall, result, arguments, about } => {
                let refused = RefusedSeen {
                    at: event.at,
                    syscall: Arc::clone(syscall),
                    result: *result,
                    arguments: *arguments,
                    about: about.clone(),
                };
                // The same call for the same reason again says nothing new.
                let is_known =
                    self.refused.iter().any(|known| RefusedSeen { at: event.at, ..known.clone() } == refused);
                if !is_known {
                    self.dropped += push(&mut self.refused, refused);
                }
            }
            EventKind::Listening { address } => {
                let listens = ListenSeen { at: event.at, address: *address };
                self.dropped += push(&mut self.listening, listens);
            }
            EventKind::DlopenFailed { name, flags } => {
                if let Some(known) = self.dlopens.iter_mut().find(|known| known.name == *name) {
                    known.last_at = event.at;
                } else {
                    let (at, name) = (event.at, name.clone());
                    let failed = DlopenSeen { at, last_at: at, name, flags: *flags };
                    self.dropped += push(&mut self.dlopens, failed);
                }
            }
            EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::Flooded { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => {}
        }
    }

    /// A new program replaces all that the old one did; what was tried before it was a search that succeeded, and what
    /// the old one did with a signal says nothing about the new one.
    fn starts(&mut self, program: Program) {
        self.exec_failures.clear();
        self.signals.clear();
        self.libraries.clear();
        self.opens.clear();
        self.refused.clear();
        self.listening.clear();
        self.dlopens.clear();
        self.opened_classes = 0;
        self.go_started = None;
        self.program = Some(program);
    }

    fn opened(&mut self, at: BootNs, path: &str, class: PathClass, result: Result<i32, Errno>, flags: u32) {
        match class {
            PathClass::GoRuntimeStart => self.go_started = self.go_started.or(Some(at)),
            PathClass::SharedLibrary => self.searched(at, path, result),
            PathClass::Other
            | PathClass::LoaderCache
            | PathClass::TrustStore
            | PathClass::Certificate
            | PathClass::OsRelease
            | PathClass::UserDatabase
            | PathClass::Resolver
            | PathClass::TimeZone
            | PathClass::Temporary => self.remember(at, path, class, result, flags),
        }
    }

    /// A step of a loader's search.
    fn searched(&mut self, at: BootNs, path: &str, result: Result<i32, Errno>) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if !self.libraries.contains_key(name) {
            if self.libraries.len() >= MAX_LIBRARIES {
                self.dropped += u64::from(result.is_err());
                return;
            }
            self.libraries
                .insert(name.to_owned(), LibrarySearch { first_at: at, ..LibrarySearch::default() });
        }
        let Some(search) = self.libraries.get_mut(name) else { return };
        search.last_at = at;
        match result {
            Ok(_) => search.opened = Some(path.to_owned()),
            Err(errno) => {
                search.failed += 1;
                if errno != Errno::ENOENT && search.refused.is_none() {
                    search.refused = Some((path.to_owned(), errno));
                }
            }
        }
    }

    /// Keeps an open that says something new. Successes beyond the limit are no loss: patterns rest on failures, and
    /// on whether any open of a class succeeded.
    fn remember(&mut self, at: BootNs, path: &str, class: PathClass, result: Result<i32, Errno>, flags: u32) {
        let is_failure = result.is_err();
        if !is_failure {
            self.opened_classes |= 1 << class as u32;
        }
        let is_known = |seen: &OpenSeen| seen.path == path && seen.result.is_err() == is_failure;
        let is_trust = |seen: &&OpenSeen| seen.class == PathClass::TrustStore && seen.result.is_ok();
        let is_one_of_many = class == PathClass::TrustStore
            && !is_failure
            && self.opens.iter().filter(is_trust).count() >= MAX_TRUST_OPENS;
        if !is_one_of_many && !self.opens.iter().any(is_known) {
            let seen = OpenSeen { at, path: path.to_owned(), class, result, flags };
            let dropped = push(&mut self.opens, seen);
            self.dropped += if is_failure { dropped } else { 0 };
        }
    }

    /// At least one open of this class succeeded since the last exec.
    pub fn has_opened(&self, class: PathClass) -> bool {
        self.opened_classes & (1 << class as u32) != 0
    }

    pub(super) fn signalled(&mut self, target: &Task, event: &Event) {
        let EventKind::SignalSent { signal, code, sender_cgroup, outcome, syscall, .. } = &event.kind else {
            return;
        };
        self.identify(target);
        let seen = SignalSeen {
            at: event.at,
            signal: *signal,
            code: *code,
            sender: event.task.clone(),
            sender_cgroup: *sender_cgroup,
            outcome: *outcome,
            syscall: *syscall,
            delivered: None,
        };
        // A filter's handler may answer the same call again and again.
        let is_known = |known: &SignalSeen| known.signal == Signal::SYS && known.syscall == seen.syscall;
        if *signal == Signal::SYS && self.signals.iter().any(is_known) {
            return;
        }
        // A program may use a signal as its clock; what ends it must still find room.
        if !matches!(*signal, Signal::TERM | Signal::KILL | Signal::SYS)
            && self.signals.len() >= MAX_ENTRIES / 2
        {
            return;
        }
        self.dropped += push(&mut self.signals, seen);
    }

    /// `is_own_cgroup`: the victim was in the container's own cgroup, not in one that the container made inside it.
    pub(super) fn oom_killed(&mut self, victim: &Task, event: &Event, is_own_cgroup: bool) {
        let EventKind::OomKill { anon_pages, file_pages, shmem_pages, limit_pages, .. } = &event.kind else {
            return;
        };
        if !victim.comm.is_empty() {
            self.identify(victim);
        }
        self.oom = Some(OomSeen {
            at: event.at,
            allocator: event.task.clone(),
            anon_pages: *anon_pages,
            file_pages: *file_pages,
            shmem_pages: *shmem_pages,
            limit_pages: limit_pages.filter(|_| is_own_cgroup),
        });
    }
}

/// Keeps the first entries and lets later ones go: what a process did first explains its failure. How many went.
fn push<T>(list: &mut Vec<T>, entry: T) -> u64 {
    if list.len() >= MAX_ENTRIES {
        return 1;
    }
    list.push(entry);
    0
}

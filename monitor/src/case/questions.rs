//! What a run wants to know: questions that an event raises, and looks that are due after a while.

use monitor_common::{path::PathClass, refused::WATCHED};

use super::{
    Case, MAX_FILES, Process,
    surroundings::{MAX_LINKED, MAX_PEMS},
};
use crate::model::{
    errno::Errno,
    event::{Event, EventKind, Refusal, RefusedAbout},
    fact::{Known, Want},
    living::ProcessTable,
    signal::Signal,
    time::{BootNs, MS, SECOND},
};

/// How long a child may wait for its parent before somebody looks whether it still does.
pub const ZOMBIE_NS: u64 = 10 * SECOND;
/// A look at the processes is as good as another one this soon after it.
const LOOK_AGAIN_NS: u64 = 100 * MS;
/// From a container's birth to the look at who its processes run as.
const DROPS_NS: u64 = 3 * SECOND;
/// Between two looks at a CPU quota.
const CPU_NS: u64 = 10 * SECOND;
/// From a telling open to the look at what became of it.
const OPEN_SETTLES_NS: u64 = SECOND;
/// A program that waits for a certificate to be put there has waited long.
pub const CERTIFICATE_NS: u64 = 10 * SECOND;
/// Access modes and creation, open(2).
const O_WRONLY: u32 = 1;
const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;

/// When to look at something, without an event that says so.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timetable {
    processes: Option<BootNs>,
    /// The processes as well, once: who they run as.
    users: Option<BootNs>,
    cpu: Option<BootNs>,
    /// The patterns alone.
    opens: Option<BootNs>,
    /// When the latest of the events that may tell something has had its time.
    opens_until: BootNs,
    /// The patterns alone, about a certificate that was not there.
    certificates: Option<BootNs>,
}

impl Timetable {
    /// Whatever was not due at that time is due so much later.
    pub(super) fn postpone(&mut self, began: BootNs, ns: u64) {
        let Self { processes, users, cpu, opens, opens_until, certificates } = self;
        let times = [processes, users, cpu, opens, certificates].into_iter().flatten();
        for due in times.chain([opens_until]).filter(|due| **due > began) {
            due.0 = due.0.saturating_add(ns);
        }
    }

    pub(super) fn due(&self) -> impl Iterator<Item = BootNs> + use<> {
        [self.processes, self.users, self.cpu, self.opens, self.certificates].into_iter().flatten()
    }
}

/// It failed, or succeeded, and only what the process does next says what that means.
fn tells_with_what_follows(kind: &EventKind) -> bool {
    match kind {
        EventKind::Open { class, result, .. } => match class {
            PathClass::Other | PathClass::Temporary | PathClass::TimeZone | PathClass::Resolver => {
                result.is_err()
            }
            PathClass::OsRelease | PathClass::UserDatabase | PathClass::Certificate => true,
            PathClass::TrustStore => result.is_ok(),
            PathClass::SharedLibrary | PathClass::LoaderCache | PathClass::GoRuntimeStart => false,
        },
        EventKind::DlopenFailed { .. } => true,
        EventKind::SyscallRefused { syscall, .. } => writes_to_files(syscall),
        EventKind::ExecFailed { .. }
        | EventKind::Exec { .. }
        | EventKind::OomKill { .. }
        | EventKind::SignalSent { .. }
        | EventKind::SignalDelivered { .. }
        | EventKind::Exit { .. }
        | EventKind::TlsRefused { .. }
        | EventKind::Listening { .. }
        | EventKind::Flooded { .. }
        | EventKind::CgroupMade { .. }
        | EventKind::CgroupRemoved { .. } => false,
    }
}

/// A watched system call that changes a file system.
pub fn writes_to_files(syscall: &str) -> bool {
    WATCHED.iter().any(|call| call.writes && call.name == syscall)
}

/// The directory of an absolute path.
pub fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// An open that is meant to write.
pub fn is_for_writing(flags: u32) -> bool {
    flags & (O_WRONLY | O_RDWR | O_CREAT) != 0
}

impl Case {
    /// Something was opened, or could not be, that may tell something once it is known what follows. True if a look is
    /// planned that was not before.
    pub fn plans_look_after(&mut self, event: &Event) -> bool {
        let is_telling = tells_with_what_follows(&event.kind);
        if let EventKind::Open { class: PathClass::Certificate, result: Err(_), .. } = &event.kind {
            self.timetable.certificates.get_or_insert(event.at.later(CERTIFICATE_NS));
        }
        let is_new = is_telling && self.timetable.opens.is_none();
        if is_telling {
            self.timetable.opens_until = event.at.later(OPEN_SETTLES_NS);
        }
        if is_new {
            self.timetable.opens = Some(self.timetable.opens_until);
        }
        is_new
    }

    /// Looks that are due by now; the next ones are planned.
    pub fn due_questions(&mut self) -> Vec<Want> {
        let (now, is_alive) = (self.now, self.vanished_at.is_none());
        let mut wants = Vec::new();
        if self.timetable.opens.take_if(|due| *due <= now).is_some() && self.timetable.opens_until > now {
            self.timetable.opens = Some(self.timetable.opens_until);
        }
        self.timetable.certificates.take_if(|due| *due <= now);
        let is_due = |due: &mut BootNs| *due <= now;
        let (processes, users) =
            (self.timetable.processes.take_if(is_due), self.timetable.users.take_if(is_due));
        if processes.or(users).is_some() && is_alive {
            wants.push(Want::Processes);
        }
        if self.timetable.cpu.take_if(|due| *due <= now).is_some() && is_alive {
            self.timetable.cpu = Some(now.later(CPU_NS));
            wants.push(Want::Cpu);
        }
        self.ask(wants, now)
    }

    /// What the configuration gives reason to look at.
    pub(super) fn plan_looks(&mut self, at: BootNs) {
        let soon = at.later(SECOND);
        if self.config.get().is_some_and(|config| config.cpu_quota.is_some()) {
            self.timetable.cpu.get_or_insert(soon);
        }
        if !self.from_birth {
            self.timetable.processes.get_or_insert(soon);
        }
        // An entrypoint that drops root's privileges has done so by then.
        if self.config.get().is_some_and(|config| config.uid == 0 && !config.user_namespace) {
            self.timetable.users.get_or_insert(at.later(DROPS_NS));
        }
    }

    /// Children that nobody has waited for yet may be waited for soon.
    pub(super) fn looked_at_processes(&mut self, at: BootNs, table: Known<ProcessTable>) {
        let table = match table {
            Known::Is(table) => table,
            Known::Unknown(why) => {
                self.surroundings.no_table = Some(why);
                return;
            }
        };
        self.surroundings.no_table = None;
        self.surroundings.zombies = self.zombies_of(at, &table);
        let is_young =
            |pid: u32| self.surroundings.departure(pid).is_none_or(|d| self.awake_ns(d.at, at) < ZOMBIE_NS);
        let has_young = table.processes.iter().any(|process| process.is_zombie && is_young(process.pid));
        let was_there = |pid: u32| {
            let before = self.surroundings.tables.back().map(|(_, table)| table.processes.as_slice());
            before.unwrap_or_default().iter().any(|process| process.pid == pid && process.is_zombie)
        };
        let has_new = table.processes.iter().any(|process| process.is_zombie && !was_there(process.pid));
        if has_young && has_new {
            self.timetable.processes = Some(at.later(ZOMBIE_NS));
        }
        if self.surroundings.tables.len() >= 2 {
            self.surroundings.tables.pop_front();
        }
        self.surroundings.tables.push_back((at, table));
    }

    /// A look is on its way, or has just been made. Whoever sends signals without end must not make the inspector look
    /// without end: it is there for all containers.
    fn has_looked_at_processes(&self, at: BootNs) -> bool {
        let last = self.surroundings.tables.back().map(|(looked_at, _)| *looked_at);
        self.awaits(&Want::Processes) || last.is_some_and(|last| at.since(last) < LOOK_AGAIN_NS)
    }

    /// Everything is asked once, unless it changes.
    pub(super) fn questions(&mut self, event: &Event) -> Vec<Want> {
        let wants = self.raised(event);
        self.ask(wants, event.at)
    }

    fn ask(&mut self, mut wants: Vec<Want>, at: BootNs) -> Vec<Want> {
        wants.retain(|want| {
            let is_asked = self.asked.contains_key(want) && !matches!(want, Want::Processes | Want::Cpu);
            let has_room = !is_asked && self.has_room_for(want);
            if has_room {
                self.asked.insert(want.clone(), at);
            }
            has_room
        });
        wants
    }

    fn has_room_for(&self, want: &Want) -> bool {
        let asked = |is_kind: fn(&Want) -> bool| self.asked.keys().filter(|want| is_kind(want)).count();
        match want {
            Want::File(path) => {
                let known = self.file(path).is_some() || self.files.contains_key(path);
                let waiting = asked(|want| matches!(want, Want::File(_)));
                path.starts_with('/') && !known && self.files.len() + waiting < MAX_FILES
            }
            Want::Pem(path) => {
                let waiting = asked(|want| matches!(want, Want::Pem(_)));
                let known = &self.surroundings.pems;
                path.starts_with('/') && !known.contains_key(path) && known.len() + waiting < MAX_PEMS
            }
            Want::Linked(path) => {
                let waiting = asked(|want| matches!(want, Want::Linked(_)));
                let known = &self.surroundings.linked;
                path.starts_with('/') && !known.contains_key(path) && known.len() + waiting < MAX_LINKED
            }
            Want::Processes | Want::Cpu => true,
        }
    }

    fn raised(&mut self, event: &Event) -> Vec<Want> {
        match &event.kind {
            EventKind::ExecFailed { path, .. } => vec![Want::File(path.clone())],
            EventKind::Exit { code, .. } => self.raised_by_exit(event, *code),
            EventKind::Open { path, class, result, flags } => {
                self.raised_by_open(event, path, *class, result.err(), *flags)
            }
            EventKind::Listening { address } => match self.program_of_go(event) {
                Some(program) if address.ip().is_unspecified() => vec![Want::Linked(program.to_owned())],
                Some(_) | None => Vec::new(),
            },
            // What PID 1 does with its signals, while it is there.
            EventKind::SignalSent { signal: Signal::TERM, target, .. }
                if self.init().is_some_and(|init| init.pid == target.pid)
                    && !self.has_looked_at_processes(event.at) =>
            {
                vec![Want::Processes]
            }
            EventKind::SyscallRefused { syscall, result, about: Some(RefusedAbout::Path(path)), .. }
                if *result == Refusal::Errno(Errno::EACCES)
                    && writes_to_files(syscall)
                    && self.process(event.task.pid).is_some_and(|process| !process.is_runtime_stage()) =>
            {
                self.with_parent(path)
            }
            EventKind::DlopenFailed { name, .. } => {
                let file = name.rsplit('/').next().unwrap_or_default();
                let search = self.process(event.task.pid).and_then(|process| process.libraries.get(file));
                let opened = search.and_then(|search| search.opened.clone());
                opened.map(Want::File).into_iter().collect()
            }
            EventKind::Exec { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Flooded { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => Vec::new(),
        }
    }

    fn raised_by_exit(&mut self, event: &Event, code: i32) -> Vec<Want> {
        let Some(process) = self.process(event.task.pid) else { return Vec::new() };
        let is_init = self.is_init(process);
        let is_failed_visit =
            process.is_runtime_stage() && !is_init && code != 0 && !self.executed.is_empty();
        let given_up = process.given_up_by_loader().or_else(|| process.gave_up_before_main());
        // BusyBox starts its commands through a link that only a process of the container can follow.
        let given_up = given_up.filter(|path| !path.starts_with("/proc/"));
        let mut wants: Vec<Want> = given_up.map(|path| Want::File(path.clone())).into_iter().collect();
        if is_failed_visit {
            wants.push(Want::File("/bin/sh".to_owned()));
        }
        if !is_init && !process.is_runtime_stage() {
            self.timetable.processes.get_or_insert(event.at.later(ZOMBIE_NS + SECOND));
        }
        wants
    }

    fn raised_by_open(
        &self,
        event: &Event,
        path: &str,
        class: PathClass,
        errno: Option<Errno>,
        flags: u32,
    ) -> Vec<Want> {
        let is_runtime = self.process(event.task.pid).is_none_or(Process::is_runtime_stage);
        if is_runtime {
            return Vec::new();
        }
        let mut wants = match class {
            PathClass::Certificate => vec![Want::Pem(self.absolute(path))],
            // What is wrong with it at birth may have been mended since.
            PathClass::TrustStore if errno.is_none() && self.is_doubtful_bundle(path) => {
                vec![Want::Pem(path.to_owned())]
            }
            PathClass::TimeZone if errno.is_some() => {
                let program = self.program_of_go(event).map(|program| Want::Linked(program.to_owned()));
                let data = ["/usr/share/zoneinfo".to_owned(), self.zone_archive()];
                program.into_iter().chain(data.map(Want::File)).collect()
            }
            PathClass::TimeZone
            | PathClass::Temporary
            | PathClass::Other
            | PathClass::SharedLibrary
            | PathClass::LoaderCache
            | PathClass::TrustStore
            | PathClass::OsRelease
            | PathClass::UserDatabase
            | PathClass::Resolver
            | PathClass::GoRuntimeStart => Vec::new(),
        };
        if matches!(errno, Some(Errno::ENOENT | Errno::EACCES)) && is_for_writing(flags) {
            wants.extend(self.with_parent(path));
        }
        wants
    }

    /// Who may make a file there, and what is there.
    fn with_parent(&self, path: &str) -> Vec<Want> {
        let path = self.absolute(path);
        vec![Want::File(parent(&path).to_owned()), Want::File(path)]
    }

    /// The question what is at `path` was raised by an attempt to write there, or below it.
    pub fn is_written_to(&self, path: &str) -> bool {
        let is_there = |written: &str| {
            let written = self.absolute(written);
            written == path || parent(&written) == path
        };
        self.processes().any(|process| {
            let mut opens =
                process.opens.iter().filter(|open| is_for_writing(open.flags) && open.result.is_err());
            let mut calls = process.refused.iter().filter(|refused| writes_to_files(&refused.syscall));
            opens.any(|open| is_there(&open.path))
                || calls.any(|refused| refused.path().is_some_and(is_there))
        })
    }

    /// The file that a Go program was started from.
    fn program_of_go(&self, event: &Event) -> Option<&str> {
        let process = self.process(event.task.pid).filter(|process| process.go_started.is_some())?;
        Some(process.program.as_ref()?.interpreter.as_str())
    }
}

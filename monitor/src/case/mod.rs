//! One run of a container as patterns see it: its processes and its facts. Pure values with a limit each.

mod ending;
mod process;

use std::collections::BTreeMap;

pub use process::{
    ExecFailure, ExitSeen, LOADER_EXIT, LibrarySearch, OomSeen, OpenSeen, Process, Program, SignalSeen,
};

use crate::model::{
    container::{Identity, Run},
    event::{Event, EventKind},
    fact::{
        Config, Entrypoint, Fact, FileFact, GoBuild, Known, Libc, Passwd, RuntimeState, TrustStore, Want,
    },
    observation::Host,
    signal::Signal,
    time::{BootNs, MS},
};

/// Processes that one run remembers; beyond it those that ended uneventfully go first.
const MAX_PROCESSES: usize = 256;
/// Files that one run remembers.
const MAX_FILES: usize = 64;

/// A failed exec counts when the same task has not succeeded this long after it.
pub const EXEC_SETTLE_NS: u64 = 10 * MS;

/// One run of a container.
#[derive(Debug, Clone)]
pub struct Case {
    pub run: Run,
    pub appeared_at: BootNs,
    pub host: Host,
    /// gomon was there when the cgroup was made.
    pub from_birth: bool,
    pub vanished_at: Option<BootNs>,
    /// The time of the latest observation.
    pub now: BootNs,
    pub identity: Identity,
    pub config: Known<Config>,
    pub entrypoint: Known<Entrypoint>,
    pub libc: Known<Option<Libc>>,
    pub trust_store: Known<TrustStore>,
    pub passwd: Known<Passwd>,
    /// With the time when it was read.
    pub runtime_state: Option<(BootNs, RuntimeState)>,
    files: BTreeMap<String, Known<FileFact>>,
    /// By process id in the host's pid namespace.
    processes: BTreeMap<u32, Process>,
    /// Processes that were forgotten although something had happened to them.
    processes_dropped: u64,
    /// Events since the run appeared.
    pub events: u64,
}

impl Case {
    pub fn new(run: Run, at: BootNs, host: Host) -> Self {
        Self {
            run,
            appeared_at: at,
            from_birth: false,
            host,
            vanished_at: None,
            now: at,
            identity: Identity::default(),
            config: Known::default(),
            entrypoint: Known::default(),
            libc: Known::default(),
            trust_store: Known::default(),
            passwd: Known::default(),
            runtime_state: None,
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
            processes_dropped: 0,
            events: 0,
        }
    }

    /// All processes that something happened to, by host pid.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// PID 1 of the container: before its first exec the runtime's own init stage. A process that made itself a
    /// pid namespace inside the container comes later.
    pub fn init(&self) -> Option<&Process> {
        self.processes
            .values()
            .filter(|process| process.is_init(self))
            .min_by_key(|process| process.first_seen)
    }

    /// The process with this host pid.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// Pieces of evidence that found no room.
    pub fn dropped(&self) -> u64 {
        self.processes_dropped + self.processes.values().map(|process| process.dropped).sum::<u64>()
    }

    /// What is known of the file at `path`: the entrypoint's file answers for its own path.
    pub fn file(&self, path: &str) -> Option<&FileFact> {
        let entrypoint = self.entrypoint.get().and_then(|entrypoint| entrypoint.file.get());
        let same = |fact: &&FileFact| match fact {
            FileFact::Absent { path: looked_up, .. } => looked_up == path,
            FileFact::Present(file) => file.path == path,
        };
        entrypoint.filter(same).or_else(|| self.files.get(path).and_then(Known::get))
    }

    /// gomon looked for the file at `path` and could not look.
    pub fn is_unreadable(&self, path: &str) -> bool {
        matches!(self.files.get(path), Some(Known::Unknown(_)))
    }

    /// The Go build information of the entrypoint.
    pub fn go(&self) -> Option<&GoBuild> {
        self.entrypoint.get()?.file.get()?.present()?.elf()?.go.get()?.as_ref()
    }

    /// A Go program runs, or is what the container starts with.
    pub fn has_go(&self) -> bool {
        self.go().is_some() || self.processes().any(|p| p.go_started.is_some() && !p.is_runtime_stage())
    }

    /// Takes one fact.
    pub fn learn(&mut self, at: BootNs, fact: Fact) {
        self.now = self.now.max(at);
        match fact {
            Fact::Identity(identity) => self.identity = identity,
            Fact::Config(config) => self.config = config,
            Fact::Entrypoint(entrypoint) => self.entrypoint = entrypoint,
            Fact::Libc(libc) => self.libc = libc,
            Fact::TrustStore(store) => self.trust_store = store,
            Fact::Passwd(passwd) => self.passwd = passwd,
            Fact::RuntimeState(state) => self.runtime_state = Some((at, state)),
            Fact::File { path, file } => {
                if self.files.len() < MAX_FILES || self.files.contains_key(&path) {
                    self.files.insert(path, file);
                }
            }
        }
    }

    /// Takes one event; the question that it raises.
    pub fn happen(&mut self, event: &Event) -> Option<Want> {
        self.now = self.now.max(event.at);
        self.events += 1;
        match &event.kind {
            // A signal and an OOM kill are about their target, not about the task that reported them.
            EventKind::SignalSent { target, .. } => {
                self.process_mut(target.pid, event.at).signalled(target, event);
            }
            EventKind::OomKill { victim, .. } => {
                self.process_mut(victim.pid, event.at).oom_killed(victim, event);
            }
            EventKind::CgroupMade { .. } | EventKind::CgroupRemoved { .. } => {}
            EventKind::ExecFailed { .. }
            | EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. } => self.process_mut(event.task.pid, event.at).happened(event),
            EventKind::Exit { .. } => {
                let process = self.process_mut(event.task.pid, event.at);
                process.happened(event);
                let is_go = process.go_started.is_some();
                // The Go program below a PID 1 that was told to stop is part of that story.
                if !(process.is_notable() || is_go && self.is_stopping()) {
                    self.processes.remove(&event.task.pid);
                }
            }
        }
        self.question(event)
    }

    /// PID 1 was sent a SIGTERM.
    fn is_stopping(&self) -> bool {
        self.init().is_some_and(|init| init.signals.iter().any(|seen| seen.signal == Signal::TERM))
    }

    /// The file of a failed exec, and a program that its loader gave up, are asked for once, unless birth already told
    /// about them.
    fn question(&self, event: &Event) -> Option<Want> {
        let path = match &event.kind {
            EventKind::ExecFailed { path, .. } => path,
            EventKind::Exit { .. } => self.processes.get(&event.task.pid)?.given_up_by_loader()?,
            EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => return None,
        };
        let known = self.file(path).is_some() || self.files.contains_key(path);
        (path.starts_with('/') && !known && self.files.len() < MAX_FILES).then(|| Want::File(path.clone()))
    }

    fn process_mut(&mut self, pid: u32, at: BootNs) -> &mut Process {
        if !self.processes.contains_key(&pid) && self.processes.len() >= MAX_PROCESSES {
            self.make_room();
        }
        self.processes.entry(pid).or_insert_with(|| Process::new(pid, at))
    }

    /// Forgets the process that ended longest ago, or failing that the oldest one but PID 1.
    fn make_room(&mut self) {
        let oldest = self
            .processes
            .values()
            .filter(|process| process.ns_pid != 1)
            .min_by_key(|process| (process.exit.is_none(), process.first_seen))
            .map(|process| (process.pid, process.is_notable()));
        if let Some((pid, notable)) = oldest {
            self.processes.remove(&pid);
            self.processes_dropped += u64::from(notable);
        }
    }
}

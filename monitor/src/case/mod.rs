//! One run of a container as patterns see it: its processes and its facts. Pure values with a limit each.

mod about;
mod departures;
mod ending;
mod go;
mod process;
mod questions;
mod seen;
mod sleeps;
mod surroundings;
mod throttling;
mod trust;
mod zombies;

use std::collections::BTreeMap;

pub use go::GoProgram;
pub use process::{LOADER_EXIT, Process};
use questions::Timetable;
pub use questions::{CERTIFICATE_NS, ZOMBIE_NS, is_for_writing, parent, writes_to_files};
pub use seen::{
    DlopenSeen, ExecFailure, ExitSeen, LibrarySearch, ListenSeen, OomSeen, OpenSeen, Program, RefusedSeen,
    SignalSeen,
};
use sleeps::Sleeps;
pub use surroundings::{Departed, FailedVisit, Surroundings};
pub use throttling::Throttling;
pub use trust::{PemAnswer, TrustRead};
pub use zombies::Zombie;

use crate::model::{
    container::{Identity, Run},
    event::{Event, EventKind},
    fact::{
        Config, Entrypoint, Fact, FileFact, GoBuild, Known, Libc, Passwd, RuntimeState, TrustStore, Want,
    },
    observation::Host,
    time::{BootNs, MS, SECOND},
};

/// Processes that one run remembers; beyond it those that ended uneventfully go first.
const MAX_PROCESSES: usize = 256;
/// Patterns have long been asked about a process that ended this long ago: forgetting it loses nothing.
const TOLD_NS: u64 = 10 * SECOND;
/// Files that one run remembers.
const MAX_FILES: usize = 64;

/// A failed exec of the runtime's own stage counts when the same task has not succeeded this long after it.
const START_SETTLE_NS: u64 = 10 * MS;
/// Any other program may be searching: on a busy machine it comes to its next try late. Most end sooner, which settles it.
const SEARCH_SETTLE_NS: u64 = SECOND;
/// An answer about a file that has not come after this long does not come.
const ANSWER_NS: u64 = 3 * SECOND;
/// After this long nothing waits for time to pass any more.
pub const SETTLED_NS: u64 = ANSWER_NS;

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
    /// Questions that were asked and not answered yet, and when.
    asked: BTreeMap<Want, BootNs>,
    /// What was learned of the container beside its own files and processes, and what its processes left behind.
    pub surroundings: Surroundings,
    timetable: Timetable,
    sleeps: Sleeps,
    /// By process id in the host's pid namespace.
    processes: BTreeMap<u32, Process>,
    /// Processes that were forgotten although something had happened to them.
    processes_dropped: u64,
    /// Events that the kernel kept back, as far as they are counted yet.
    pub kept_back: u64,
    /// The kernel began to keep events back.
    flooded: bool,
    /// Events since the run appeared.
    pub events: u64,
    /// The latest Go program that started in it.
    go_program: Option<GoProgram>,
    /// What was executed in this run, and when last.
    executed: BTreeMap<String, BootNs>,
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
            asked: BTreeMap::new(),
            surroundings: Surroundings::default(),
            timetable: Timetable::default(),
            sleeps: Sleeps::default(),
            processes: BTreeMap::new(),
            processes_dropped: 0,
            kept_back: 0,
            flooded: false,
            events: 0,
            go_program: None,
            executed: BTreeMap::new(),
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
            .filter(|process| process.may_be_init(self))
            .min_by_key(|process| process.first_seen)
    }

    /// Whether it is the container's first process.
    pub fn is_init(&self, process: &Process) -> bool {
        self.init().is_some_and(|init| init.pid == process.pid)
    }

    /// Somebody started it, or an ancestor of it, in the running container: `docker exec`, a health check.
    pub fn is_from_outside(&self, process: &Process) -> bool {
        let by_runtime = process.program.as_ref().is_some_and(|program| program.by_runtime);
        process.descends_from_outside || by_runtime && !self.is_init(process)
    }

    /// A process executed the file at `path` with success after `at`.
    pub fn has_executed_after(&self, path: &str, at: BootNs) -> bool {
        self.executed.get(path).is_some_and(|last| *last > at)
    }

    /// Its processes are numbered as on the host: none of them is PID 1.
    pub fn shares_host_pids(&self) -> bool {
        self.config.get().is_some_and(|config| !config.own_pid_namespace)
    }

    /// Files that were asked for and that nobody could look at, with the reason.
    pub fn unknown_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| match file {
            Known::Is(_) => None,
            Known::Unknown(why) => Some((path.as_str(), why.as_str())),
        })
    }

    /// The process with this host pid.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// Pieces of evidence that found no room, and events that the kernel kept back because there were too many.
    pub fn dropped(&self) -> u64 {
        self.kept_back.max(u64::from(self.flooded)) + self.evidence_dropped()
    }

    /// Pieces of evidence that found no room.
    pub fn evidence_dropped(&self) -> u64 {
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

    /// Whether a failed exec counts: the same task can no longer succeed with another path, or has not for a while.
    pub fn is_settled(&self, process: &Process, failure: &ExecFailure) -> bool {
        process.exit.is_some() || self.now >= self.settled_at(process, failure)
    }

    /// The file at `path` was asked for, and the answer may still come.
    pub fn is_awaited(&self, path: &str) -> bool {
        self.awaits(&Want::File(path.to_owned()))
    }

    /// It was asked, and the answer may still come.
    pub fn awaits(&self, want: &Want) -> bool {
        self.asked.get(want).is_some_and(|at| self.awake_ns(*at, self.now) < ANSWER_NS)
    }

    /// When time alone changes what the patterns see: a failed exec begins to count, an answer is given up.
    pub fn next_due(&self) -> Option<BootNs> {
        let answers = self.asked.values().map(|at| self.sleeps.after(*at, ANSWER_NS));
        let execs = self.processes().filter(|process| process.exit.is_none()).flat_map(|process| {
            process.exec_failures.iter().map(move |failure| self.settled_at(process, failure))
        });
        execs.chain(answers).chain(self.timetable.due()).filter(|due| *due > self.now).min()
    }

    /// The machine slept: what waits, waits for as much longer.
    pub fn slept(&mut self, until: BootNs, ns: u64) {
        self.timetable.postpone(BootNs(until.0.saturating_sub(ns)), ns);
        self.surroundings.slept();
        self.sleeps.add(until, ns);
    }

    /// For how long the machine was awake between two times, in nanoseconds: patience is measured by it.
    pub fn awake_ns(&self, from: BootNs, to: BootNs) -> u64 {
        self.sleeps.awake_ns(from, to)
    }

    fn settled_at(&self, process: &Process, failure: &ExecFailure) -> BootNs {
        let settle_ns = if process.is_runtime_stage() { START_SETTLE_NS } else { SEARCH_SETTLE_NS };
        self.sleeps.after(failure.at, settle_ns)
    }

    /// Takes one fact.
    pub fn learn(&mut self, at: BootNs, fact: Fact) {
        self.now = self.now.max(at);
        match fact {
            Fact::Identity(identity) => self.identity = identity,
            Fact::Config(config) => {
                self.config = config;
                self.plan_looks(at);
            }
            Fact::Entrypoint(entrypoint) => self.entrypoint = entrypoint,
            Fact::Libc(libc) => self.libc = libc,
            Fact::TrustStore(store) => self.trust_store = store,
            Fact::Passwd(passwd) => self.passwd = passwd,
            Fact::RuntimeState(state) => self.runtime_state = Some((at, state)),
            Fact::File { path, file } => {
                let want = Want::File(path);
                self.asked.remove(&want);
                let Want::File(path) = want else { return };
                if self.files.len() < MAX_FILES || self.files.contains_key(&path) {
                    self.files.insert(path, file);
                }
                self.forget_ordinary_ends();
            }
            Fact::Processes(table) => {
                self.asked.remove(&Want::Processes);
                self.looked_at_processes(at, table);
            }
            Fact::Image(_)
            | Fact::Pem { .. }
            | Fact::Linked { .. }
            | Fact::Cpu(_)
            | Fact::DlopenWatched(_) => {
                if let Some(want) = self.surroundings.learn(at, fact) {
                    self.asked.remove(&want);
                }
            }
        }
    }

    /// Takes one event; the questions that it raises.
    pub fn happen(&mut self, event: &Event) -> Vec<Want> {
        self.now = self.now.max(event.at);
        self.events += 1;
        self.follow_go(event);
        self.follow_exec(event);
        match &event.kind {
            // A signal and an OOM kill are about their target, not about the task that reported them.
            EventKind::SignalSent { target, .. } => {
                self.process_mut(target.pid, event.at).signalled(target, event);
            }
            EventKind::OomKill { victim, .. } => {
                let is_own_cgroup = event.cgroup == self.run.cgroup;
                self.process_mut(victim.pid, event.at).oom_killed(victim, event, is_own_cgroup);
            }
            EventKind::Flooded { .. } => self.flooded = true,
            EventKind::CgroupMade { .. } | EventKind::CgroupRemoved { .. } => {}
            EventKind::ExecFailed { .. }
            | EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Listening { .. }
            | EventKind::DlopenFailed { .. }
            | EventKind::TlsRefused { .. } => self.process_mut(event.task.pid, event.at).happened(event),
            EventKind::Exit { .. } => {
                self.process_mut(event.task.pid, event.at).happened(event);
            }
        }
        self.follow_trust(event);
        let wants = self.questions(event);
        if matches!(event.kind, EventKind::Exit { .. }) {
            self.depart(event);
        }
        wants
    }

    /// What was executed in this run, and when last, in no order.
    pub fn executed(&self) -> impl Iterator<Item = (&str, BootNs)> {
        self.executed.iter().map(|(path, at)| (path.as_str(), *at))
    }

    /// What was executed, and by whose descendants.
    fn follow_exec(&mut self, event: &Event) {
        let (path, parent_pid) = match &event.kind {
            EventKind::Exec { path, parent_pid, .. } => (Some(path), *parent_pid),
            EventKind::Exit { parent_pid, .. } => (None, *parent_pid),
            EventKind::ExecFailed { .. }
            | EventKind::Open { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Listening { .. }
            | EventKind::DlopenFailed { .. }
            | EventKind::Flooded { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => return,
        };
        if let Some(path) =
            path.filter(|path| self.executed.len() < MAX_FILES || self.executed.contains_key(*path))
        {
            self.executed.insert(path.clone(), event.at);
        }
        let parent = self.processes.get(&parent_pid);
        if parent.is_some_and(|parent| self.is_from_outside(parent)) {
            self.process_mut(event.task.pid, event.at).descends_from_outside = true;
        }
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
            .map(|process| (process.pid, process.is_notable(), process.exit));
        if let Some((pid, is_notable, exit)) = oldest {
            self.processes.remove(&pid);
            let is_told = exit.is_some_and(|exit| self.now.since(exit.at) > TOLD_NS);
            self.processes_dropped += u64::from(is_notable && !is_told);
        }
    }
}

#[cfg(test)]
mod tests;

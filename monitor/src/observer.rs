//! The live source of observations: joins the kernel's events with cgroups and inspections. Decides nothing about
//! failures.

mod inspections;

use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use aya::Ebpf;
use monitor_common::{
    limits::MAX_CGROUPS,
    probe::{Probe, Tally},
};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use crate::{
    attribution::{Attribution, Placed},
    inspect,
    kernel::{
        cgroupfs::{CgroupError, Hierarchy},
        clock,
        counters::{Counters, Ignored},
        load::{self, HookState, LoadError, Outcome},
        rings::{RingError, Rings, SETTLE_NS},
    },
    model::{
        container::{CgroupId, ContainerId, Run},
        event::{Event, EventKind},
        fact::Fact,
        observation::{self, Observation, Wanted},
        time::{BootEpoch, BootNs, MS, SECOND},
    },
    runtime,
};
use inspections::{Inspections, Kind};

/// How long ordinary events may wait in their ring.
const POLL: Duration = Duration::from_millis(20);
/// When events were read that are too young to be handed out.
const POLL_SOON: Duration = Duration::from_millis(3);
/// How often the kernel's counters are read for losses.
const CHECK_NS: u64 = SECOND;
/// The least time between two walks of the cgroup tree for an id that nobody knows.
const RESCAN_NS: u64 = 100 * MS;

/// What to observe.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the host's root file system is mounted; `/` if not given.
    pub host_root: Option<PathBuf>,
    /// Only this container; all others stay in the kernel.
    pub only: Option<ContainerId>,
    /// Key containers by the v1 memory hierarchy even where a v2 tree exists.
    pub force_cgroup_v1: bool,
    /// Sockets that may know the name of a container whose files do not tell it; the known places if none is given.
    pub runtime_sockets: Vec<PathBuf>,
    /// Messages of the kernel programs go to the log.
    pub kernel_log: bool,
}

/// Why nothing can be observed.
#[derive(Debug, Error)]
pub enum ObserveError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Ring(#[from] RingError),
    #[error(transparent)]
    Host(#[from] inspect::HostError),
    #[error("the BPF object lacks the map {0}")]
    Map(&'static str),
    #[error("the kernel refused every probe: {0}")]
    AllBlind(String),
    #[error("cannot wait for the ring")]
    Wait(#[source] std::io::Error),
}

/// What the observer counts about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events of a cgroup that could not be found.
    pub unattributed: u64,
    pub malformed: u64,
    pub inspections: u64,
}

/// The live source.
pub struct Observer {
    /// Holds the programs; they detach when it goes.
    ebpf: Ebpf,
    rings: Rings,
    wake: AsyncFd<std::os::fd::OwnedFd>,
    counters: Counters,
    ignored: Ignored,
    hierarchy: Hierarchy,
    hooks: Vec<HookState>,
    attribution: Attribution,
    inspections: Inspections,
    only: Option<ContainerId>,
    queue: VecDeque<Observation>,
    lost: [u64; Probe::ALL.len()],
    checked_at: BootNs,
    rescanned_at: BootNs,
    pub totals: Totals,
    pub epoch: BootEpoch,
}

impl Observer {
    /// Attaches the probes and finds the containers that exist.
    pub fn start(options: &Options) -> Result<Self, ObserveError> {
        let host_root = options.host_root.clone().unwrap_or_else(|| PathBuf::from("/"));
        let proc = if host_root == std::path::Path::new("/") {
            PathBuf::from("/proc")
        } else {
            host_root.join("proc")
        };
        let host = Arc::new(inspect::Host::new(&host_root, &proc)?);
        let sockets = match options.runtime_sockets.as_slice() {
            [] => runtime::known_sockets(&host_root),
            given => given.to_vec(),
        };
        let hierarchy = Hierarchy::of_host(&proc, options.force_cgroup_v1)?;
        let (mut ebpf, btf) = load::load_maps(&hierarchy, if options.kernel_log { u8::MAX } else { 0 })?;
        if options.kernel_log {
            load::forward_log(&mut ebpf);
        }
        let rings = Rings::open(&mut ebpf)?;
        let counters = Counters::open(&mut ebpf).ok_or(ObserveError::Map("COUNTERS"))?;
        let ignored = Ignored::open(&mut ebpf).ok_or(ObserveError::Map("IGNORED_CGROUPS"))?;
        let wake = rings.wake_fd().map_err(ObserveError::Wait)?;
        // SAFETY: an owned descriptor stays open until it is dropped with the registration.
        let wake = unsafe { AsyncFd::register(wake) }.map_err(|error| ObserveError::Wait(error.into()))?;
        let now = clock::now();
        let mut observer = Self {
            ebpf,
            rings,
            wake,
            counters,
            ignored,
            hierarchy,
            hooks: Vec::new(),
            attribution: Attribution::default(),
            inspections: Inspections::new(host, sockets),
            only: options.only.clone(),
            queue: VecDeque::new(),
            lost: [0; Probe::ALL.len()],
            checked_at: now,
            rescanned_at: now,
            totals: Totals::default(),
            epoch: clock::boot_epoch(),
        };
        observer.queue.push_back(Observation::Host { at: now, host: host_facts() });
        // The host's cgroups are set aside before the first event can come; what appears meanwhile is found again.
        observer.scan(now);
        observer.hooks = load::attach_all(&mut observer.ebpf, &btf);
        drop(btf);
        give_memory_back();
        observer.tell_blindness()?;
        observer.scan(clock::now());
        Ok(observer)
    }

    /// What became of each hook.
    pub fn hooks(&self) -> &[HookState] {
        &self.hooks
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Containers alive now.
    pub fn containers(&self) -> usize {
        self.attribution.len()
    }

    /// Up to this time all events were handed out.
    pub fn horizon(&self) -> BootNs {
        BootNs(clock::now().0.saturating_sub(SETTLE_NS))
    }

    /// Waits for something to happen, at most until `due`; the observations in order. Cancel-safe.
    pub async fn next(&mut self, due: Option<BootNs>) -> Vec<Observation> {
        if self.queue.is_empty() {
            self.wait(due).await;
        }
        self.read();
        self.queue.drain(..).collect()
    }

    async fn wait(&mut self, due: Option<BootNs>) {
        let poll = if self.rings.has_waiting() { POLL_SOON } else { POLL };
        let until_due = due.map_or(poll, |due| {
            Duration::from_nanos(due.since(self.horizon())).max(Duration::from_millis(1))
        });
        let learned = tokio::select! {
            ready = self.wake.readable() => {
                if let Ok(mut guard) = ready {
                    guard.clear_ready();
                }
                None
            }
            learned = self.inspections.next() => learned,
            () = tokio::time::sleep(poll.min(until_due)) => None,
        };
        if let Some(learned) = learned {
            self.learn(learned);
        }
    }

    fn read(&mut self) {
        let now = clock::now();
        for event in self.rings.drain(now) {
            self.attribute(event);
        }
        self.totals.malformed = self.rings.malformed;
        if now.since(self.checked_at) >= CHECK_NS {
            self.checked_at = now;
            self.check_losses(now);
        }
    }

    fn attribute(&mut self, event: Event) {
        match &event.kind {
            EventKind::CgroupMade { path, .. } => self.place(event.cgroup, &path.clone(), event.at, true),
            EventKind::CgroupRemoved { .. } => {
                if let Some(run) = self.attribution.remove(event.cgroup) {
                    self.queue.push_back(Observation::Vanished { run, at: event.at });
                }
            }
            EventKind::ExecFailed { .. }
            | EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::Exit { .. } => self.happened(event),
        }
    }

    fn happened(&mut self, event: Event) {
        let run = self.attribution.run(event.cgroup).cloned().or_else(|| self.search(event.cgroup, event.at));
        match run {
            Some(run) => self.queue.push_back(Observation::Happened { run, event }),
            None if self.only.is_none() => self.totals.unattributed += 1,
            None => {}
        }
    }

    /// A cgroup whose birth was not seen: it may be anywhere in the tree.
    fn search(&mut self, cgroup: CgroupId, at: BootNs) -> Option<Run> {
        if at.since(self.rescanned_at) >= RESCAN_NS {
            self.scan(at);
        }
        self.attribution.run(cgroup).cloned()
    }

    /// Walks the cgroup tree: new containers appear, new host cgroups are set aside, gone ones are let go.
    fn scan(&mut self, at: BootNs) {
        self.rescanned_at = at;
        let (found, cut) = self.hierarchy.scan(MAX_CGROUPS as usize * 2);
        if cut {
            tracing::warn!("more than {} cgroups: some containers may be found late", MAX_CGROUPS * 2);
        }
        let present: HashSet<CgroupId> = found.iter().map(|(id, _)| *id).collect();
        let gone: Vec<CgroupId> = self.attribution.absent(&present).collect();
        for cgroup in gone {
            if let Some(run) = self.attribution.remove(cgroup) {
                self.queue.push_back(Observation::Vanished { run, at });
            }
        }
        for (id, path) in found {
            self.place(id, &path, at, false);
        }
    }

    fn place(&mut self, cgroup: CgroupId, path: &str, at: BootNs, from_birth: bool) {
        match self.attribution.place(cgroup, path) {
            Placed::Host => {
                self.ignored.insert(cgroup);
            }
            Placed::Inside(_) => {}
            Placed::New(run) if self.only.as_ref().is_some_and(|only| *only != run.container) => {
                self.attribution.remove(cgroup);
                self.ignored.insert(cgroup);
            }
            Placed::New(run) => {
                // A birth seen with a probe off is none: what that probe would have told is missing.
                let from_birth = from_birth && self.hooks.iter().all(HookState::is_attached);
                self.queue.push_back(Observation::Appeared { run: run.clone(), at, from_birth });
                let pid = self.hierarchy.processes(path).first().copied().filter(|_| !from_birth);
                self.inspect(run, pid.map_or(Kind::Birth, Kind::Live));
            }
        }
    }

    /// Asks the inspector what the engine wants to know.
    pub fn ask(&mut self, wanted: Vec<Wanted>) {
        for Wanted { run, want } in wanted {
            let path = self.attribution.path(&run).map(str::to_owned);
            let pid = path.and_then(|path| self.hierarchy.processes(&path).first().copied());
            self.inspect(run, Kind::Answer { pid, want });
        }
    }

    fn inspect(&mut self, run: Run, kind: Kind) {
        self.totals.inspections += 1;
        self.inspections.start(run, kind);
    }

    fn learn(&mut self, learned: inspections::Learned) {
        let at = clock::now();
        for fact in learned.facts {
            let run = learned.run.clone();
            if let Fact::Identity(identity) = &fact
                && identity.name.is_empty()
                && !learned.from_socket
            {
                self.inspections.ask_sockets(run.clone(), identity.runtime);
            }
            self.queue.push_back(Observation::Learned { run, at, fact: Box::new(fact) });
        }
    }

    fn check_losses(&mut self, at: BootNs) {
        for (before, probe) in self.lost.iter_mut().zip(Probe::ALL) {
            let lost = self.counters.lost(probe);
            if lost > *before {
                let count = lost - *before;
                self.queue.push_back(Observation::Lost { at, probe: probe.name().to_owned(), count });
            }
            *before = lost;
        }
    }

    fn tell_blindness(&mut self) -> Result<(), ObserveError> {
        let at = clock::now();
        let mut reasons = Vec::new();
        for state in &self.hooks {
            let Outcome::Blind(why) = &state.outcome else { continue };
            reasons.push(format!("{}: {why}", state.hook.program));
            for probe in state.hook.probes {
                let probe = probe.name().to_owned();
                self.queue.push_back(Observation::Blind { at, probe, why: why.clone() });
            }
        }
        if reasons.len() == self.hooks.len() {
            return Err(ObserveError::AllBlind(reasons.join("; ")));
        }
        Ok(())
    }

    /// The kernel's counters by probe and tally.
    pub fn tallies(&self) -> Vec<(Probe, Tally, u64)> {
        let each = Probe::ALL.into_iter().flat_map(|probe| Tally::ALL.map(|tally| (probe, tally)));
        each.map(|(probe, tally)| (probe, tally, self.counters.get(probe, tally))).collect()
    }
}

/// The kernel's type information takes tens of megabytes while it is read; the allocator would keep them.
fn give_memory_back() {
    // SAFETY: malloc_trim(3) only returns free pages to the kernel.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The machine that gomon runs on.
pub fn host_facts() -> observation::Host {
    let machine = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        _ => 0,
    };
    observation::Host {
        machine,
        page_bytes: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
    }
}

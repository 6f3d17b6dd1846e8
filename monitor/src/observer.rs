//! The live source of observations: joins the kernel's events with cgroups and inspections. Decides nothing about
//! failures.

mod accounts;
mod births;
mod cgroups;
mod clocks;
mod dlopen;
mod exits;
mod floods;
mod host;
mod inspections;
mod options;
mod stuck;
mod wake;
mod walk;
mod whereabouts;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aya::Ebpf;
use monitor_common::probe::{Probe, Tally};

use crate::{
    attribution::Attribution,
    inspect,
    kernel::{
        cgroupfs::Hierarchy,
        clock::{self, Clocks},
        counters::{self, Budgets, Counters, Ignored},
        hooks::HOOKS,
        load::{self, HookState, KernelLog, Outcome},
        programs,
        rings::{Rings, SETTLE_NS},
        uprobes,
    },
    model::{
        container::{ContainerId, Run},
        fact::{Fact, Known},
        observation::{Loss, Observation, Wanted},
        time::{BootEpoch, BootNs, SECOND},
    },
};
use dlopen::Dlopens;
use exits::Exits;
use floods::Floods;
pub use host::host_facts;
use inspections::{Inspections, Kind, Way};
pub use options::{Inspected, ObserveError, Options, Totals};
use wake::Wake;

/// How long ordinary events may wait in their ring.
const POLL: Duration = Duration::from_millis(40);
/// When precious events were read that are too young to be handed out.
const POLL_SOON: Duration = Duration::from_millis(3);
/// How often the kernel's counters are read for losses.
const CHECK_NS: u64 = SECOND;

/// The live source.
pub struct Observer {
    /// Holds the programs; they detach when it goes.
    ebpf: Ebpf,
    rings: Rings,
    /// A precious event, or many ordinary ones.
    wake: Wake,
    kernel_log: Option<KernelLog>,
    counters: Counters,
    ignored: Ignored,
    budgets: Budgets,
    hierarchy: Hierarchy,
    hooks: Vec<HookState>,
    on_demand: Vec<HookState>,
    dlopens: Dlopens,
    attribution: Attribution,
    inspections: Inspections,
    /// The host's files for what events wait for.
    prompt: inspect::Host,
    whereabouts: whereabouts::Known,
    only: Option<ContainerId>,
    floods: Floods,
    exits: Exits,
    queue: VecDeque<Observation>,
    /// By probe, as the ring was full and as memory could not be read.
    lost: [[u64; 2]; Probe::ALL.len()],
    /// By hook.
    missed: [u64; HOOKS.len()],
    /// When the rings were read last.
    read_at: BootNs,
    checked_at: BootNs,
    walks: walk::Walks,
    /// When the last probe was attached.
    attached_at: BootNs,
    /// Inspections that ended since somebody asked, and how long each took.
    inspected: Vec<(Inspected, Duration)>,
    pub totals: Totals,
    clocks: Clocks,
    /// By the wall clock as it is now.
    pub epoch: BootEpoch,
}

impl Observer {
    /// Attaches the probes and finds the containers that exist. Needs no runtime and leaves no thread behind: what
    /// needs one begins with the first [`Self::gather`], which may have fewer privileges.
    pub fn start(options: &Options) -> Result<Self, ObserveError> {
        let host_root = options.host_root.clone().unwrap_or_else(|| PathBuf::from("/"));
        let proc = if host_root == Path::new("/") { PathBuf::from("/proc") } else { host_root.join("proc") };
        let host = Arc::new(inspect::Host::new(&host_root, &proc)?);
        let sockets = options::runtime_sockets(&options.runtime_sockets, &host_root);
        let hierarchy = Hierarchy::of_host(&proc, options.force_cgroup_v1)?;
        let (mut ebpf, btf) = load::load_maps(&hierarchy, if options.kernel_log { u8::MAX } else { 0 })?;
        let kernel_log = options.kernel_log.then(|| load::kernel_log(&mut ebpf)).flatten();
        let rings = Rings::open(&mut ebpf)?;
        let counters = Counters::open(&mut ebpf).ok_or(ObserveError::Map("COUNTERS"))?;
        let ignored = Ignored::open(&mut ebpf).ok_or(ObserveError::Map("IGNORED_CGROUPS"))?;
        let budgets = Budgets::open(&mut ebpf).ok_or(ObserveError::Map("BUDGETS"))?;
        let wake = Wake::new(rings.wake_fds().map_err(ObserveError::Wait)?);
        let now = clock::now();
        let epoch = clock::boot_epoch();
        let mut observer = Self {
            ebpf,
            rings,
            wake,
            kernel_log,
            counters,
            ignored,
            budgets,
            hierarchy,
            hooks: Vec::new(),
            on_demand: Vec::new(),
            dlopens: Dlopens::not_yet(Arc::clone(&host)),
            attribution: Attribution::default(),
            prompt: host.promptly()?,
            inspections: Inspections::new(host, sockets),
            whereabouts: whereabouts::Known::default(),
            only: options.only.clone(),
            floods: Floods::default(),
            exits: Exits::default(),
            queue: VecDeque::new(),
            lost: [[0; 2]; Probe::ALL.len()],
            missed: [0; HOOKS.len()],
            read_at: now,
            checked_at: now,
            walks: walk::Walks::default(),
            attached_at: now,
            inspected: Vec::new(),
            totals: Totals::default(),
            clocks: Clocks::follow(epoch),
            epoch,
        };
        observer.queue.push_back(Observation::Host { at: now, host: host_facts() });
        // The host's cgroups are set aside before the first event can come; what appears meanwhile is found again.
        observer.scan(now);
        observer.hooks = load::attach_all(&mut observer.ebpf, &btf, &options.hooks);
        observer.attached_at = clock::now();
        let (on_demand, uprobes) = uprobes::load(&mut observer.ebpf, &btf);
        observer.on_demand = on_demand;
        observer.dlopens = Dlopens::new(uprobes, Arc::clone(observer.inspections.host()));
        observer.inspections.watch_with(observer.dlopens.clone());
        drop(btf);
        host::give_memory_back();
        observer.tell_blindness()?;
        observer.scan(clock::now());
        Ok(observer)
    }

    /// What became of each hook.
    pub fn hooks(&self) -> &[HookState] {
        &self.hooks
    }

    /// What became of each hook that waits for a container to need it.
    pub fn on_demand(&self) -> &[HookState] {
        &self.on_demand
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
        settled(self.read_at)
    }

    /// These are asked for names from now on.
    pub fn use_runtime_sockets(&mut self, given: &[PathBuf], host_root: &Path) {
        self.inspections.use_sockets(options::runtime_sockets(given, host_root));
    }

    /// When gomon's own calls were made that came back since somebody asked.
    pub fn take_self_tests(&mut self) -> Vec<BootNs> {
        self.rings.take_self_tests()
    }

    /// Waits for something to happen, at most until `due`. Cancel-safe.
    pub async fn gather(&mut self, due: Option<BootNs>) {
        self.inspections.release();
        if let Some(log) = self.kernel_log.take() {
            log();
        }
        if self.queue.is_empty() {
            self.wait(due).await;
        }
        self.read();
    }

    /// The next of what was gathered, in order.
    pub fn next_gathered(&mut self) -> Option<Observation> {
        self.queue.pop_front()
    }

    async fn wait(&mut self, due: Option<BootNs>) {
        let poll = if self.rings.is_urgent() { POLL_SOON } else { POLL };
        let until_due = due.map_or(poll, |due| {
            Duration::from_nanos(due.since(settled(clock::now()))).max(Duration::from_millis(1))
        });
        let learned = tokio::select! {
            () = self.wake.readable() => None,
            learned = self.inspections.next() => learned,
            () = tokio::time::sleep(poll.min(until_due)) => None,
        };
        if let Some(learned) = learned {
            self.learn(learned);
        }
        // Those that wait behind it must not wait for as many events.
        while let Some(learned) = self.inspections.next_now() {
            self.learn(learned);
        }
    }

    fn read(&mut self) {
        self.follow_clocks();
        let now = clock::now();
        self.read_at = now;
        self.rings.read();
        while let Some(event) = self.rings.next_settled(now) {
            self.attribute(event);
        }
        self.totals.malformed = self.rings.malformed;
        if now.since(self.checked_at) >= CHECK_NS {
            self.checked_at = now;
            self.check_losses(now);
            self.make_up_for_lost_cgroups(now);
            self.whereabouts.forget(now);
            self.dlopens.forget(now);
            self.prompt.forget();
            self.follow_names(now);
        }
    }

    /// The inspector still looks at something.
    pub fn is_inspecting(&self) -> bool {
        self.inspections.is_busy()
    }

    /// Asks the inspector what the engine wants to know.
    pub fn ask(&mut self, wanted: Vec<Wanted>) {
        for Wanted { run, want } in wanted {
            let path = self.attribution.path(&run).map(str::to_owned);
            let pids = path.map(|path| self.hierarchy.processes(&path)).unwrap_or_default();
            self.inspect(run, Kind::Answer { pids, want });
        }
    }

    fn inspect(&mut self, run: Run, kind: Kind) {
        let at = self.whereabouts.of(&run);
        self.inspections.start(run, at, kind);
    }

    fn learn(&mut self, learned: inspections::Learned) {
        self.follow_clocks();
        let at = clock::now();
        let from_socket = learned.way == Way::Socket;
        let ended = match learned.way {
            Way::Looked if learned.facts.iter().any(Fact::is_unknown) => Some(Inspected::Partly),
            Way::Looked => Some(Inspected::Wholly),
            Way::GivenUp => Some(Inspected::GivenUp),
            Way::Failed | Way::TooLate | Way::Socket => None,
        };
        self.inspected.extend(ended.map(|ended| (ended, learned.took)));
        if self.attribution.path(&learned.run).is_none() {
            // Its end may have come before its calls were watched.
            self.dlopens.gone(&learned.run, at);
        }
        for fact in learned.facts {
            let run = learned.run.clone();
            if let Fact::Config(Known::Unknown(why)) = &fact {
                tracing::warn!(
                    container = run.container.short(),
                    why,
                    "its configuration is unknown: most patterns cannot tell"
                );
            }
            if let Fact::Identity(identity) = &fact
                && identity.name.is_empty()
                && !from_socket
            {
                self.inspections.ask_sockets(run.clone(), identity.runtime);
            }
            if let Fact::Identity(identity) = &fact {
                self.whereabouts.named(&run, identity);
            }
            self.queue.push_back(Observation::Learned { run, at, fact: Box::new(fact) });
        }
    }

    /// The names that people have changed.
    fn follow_names(&mut self, at: BootNs) {
        for (run, identity) in self.whereabouts.renamed(self.inspections.host(), at) {
            tracing::info!(container = run.container.short(), name = identity.name, "it has another name");
            let fact = Box::new(Fact::Identity(identity));
            self.queue.push_back(Observation::Learned { run, at, fact });
        }
    }

    fn check_losses(&mut self, at: BootNs) {
        // A call of gomon's own is nobody's event: what is lost of it is told by its not coming.
        let events = |(_, probe): &(_, Probe)| *probe != Probe::SelfTest;
        for (before, probe) in self.lost.iter_mut().zip(Probe::ALL).filter(events) {
            let tallies = self.counters.of(probe);
            let reasons = [(Tally::LostRingFull, Loss::RingFull), (Tally::LostUnreadable, Loss::Unreadable)];
            for (before, (tally, reason)) in before.iter_mut().zip(reasons) {
                let lost = counters::tally(&tallies, tally);
                if lost > *before {
                    let (probe, count) = (probe.name().to_owned(), lost - *before);
                    self.queue.push_back(Observation::Lost { at, probe, count, reason });
                }
                *before = lost;
            }
        }
        self.check_misses(at);
        self.follow_floods(at);
    }

    /// Runs that the kernel left out. Which events they were about, and whether about any, nobody knows.
    fn check_misses(&mut self, at: BootNs) {
        for (state, before) in self.hooks.iter().zip(&mut self.missed) {
            let books = state.programs().iter().filter_map(|program| programs::books(&self.ebpf, program));
            let missed = books.map(|books| books.missed).sum();
            let (Some(probe), true) = (state.hook.probes.first(), missed > *before) else { continue };
            let (probe, count) = (probe.name().to_owned(), missed - *before);
            self.queue.push_back(Observation::Lost { at, probe, count, reason: Loss::Skipped });
            *before = missed;
        }
    }

    fn tell_blindness(&mut self) -> Result<(), ObserveError> {
        let at = clock::now();
        let mut reasons = Vec::new();
        for state in self.hooks.iter().chain(&self.on_demand) {
            let Outcome::Blind(why) = &state.outcome else { continue };
            reasons.push(format!("{}: {why}", state.hook.name));
            for probe in state.hook.probes {
                let probe = probe.name().to_owned();
                self.queue.push_back(Observation::Blind { at, probe, why: why.clone() });
            }
        }
        if self.hooks.iter().all(|state| !state.is_attached()) {
            return Err(ObserveError::AllBlind(reasons.join("; ")));
        }
        Ok(())
    }
}

/// Up to this time no event is missing once the rings were read.
fn settled(read_at: BootNs) -> BootNs {
    BootNs(read_at.0.saturating_sub(SETTLE_NS))
}

//! The one place that wires the live source, the engine, the recording and the agent's snapshot together.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    engine::Engine,
    kernel::clock,
    ledger::Change,
    model::{
        container::ContainerId,
        diagnosis::{Diagnosis, Severity},
        fact::Fact,
        incident::Sighting,
        observation::Observation,
        time::{BootEpoch, BootNs, SECOND},
    },
    observer::{self, Observer, Totals},
    recording::Recorder,
    sink::{
        metrics::{Dropped, Inspected, SetAside, Unattributed},
        outlet::{Outlet, Why},
        shared::Shared,
    },
};

/// How often the metrics take over the kernel's counters.
const REFRESH_NS: u64 = SECOND;
/// What an incident says of the gomon that found it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One thing that came out of the pipeline, in order.
#[derive(Debug)]
pub enum Output {
    Observed(Observation),
    Changed(Change),
}

/// Source, engine and sinks of one process.
pub struct Pipeline {
    observer: Observer,
    engine: Engine,
    recorder: Option<Recorder<Box<dyn Write + Send>>>,
    shared: Option<Shared>,
    outlets: Vec<Box<dyn Outlet>>,
    /// What turns times since boot into UTC; the wall clock may be set.
    epoch: BootEpoch,
    /// Whether the observations themselves come out, too.
    tells_observations: bool,
    refreshed_at: BootNs,
    /// When what is being taken was gathered.
    taken_at: BootNs,
    told: Told,
    /// A call of gomon's own has come back since somebody asked.
    self_tested: bool,
}

/// What the metrics already know of totals that only grow.
#[derive(Default)]
struct Told {
    malformed: u64,
    inspections_failed: u64,
    evidence_dropped: u64,
    runs_given_up: u64,
}

impl Pipeline {
    pub fn new(observer: Observer) -> Self {
        Self {
            epoch: observer.epoch,
            observer,
            engine: Engine::new(),
            recorder: None,
            shared: None,
            outlets: Vec::new(),
            tells_observations: false,
            refreshed_at: BootNs(0),
            taken_at: BootNs(0),
            told: Told::default(),
            self_tested: false,
        }
    }

    /// Records everything that the engine sees.
    #[must_use]
    pub fn recording(mut self, recorder: Recorder<Box<dyn Write + Send>>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// What is observed comes out of it, beside what changed.
    #[must_use]
    pub fn telling_observations(mut self) -> Self {
        self.tells_observations = true;
        self
    }

    /// Shows everything in the agent's snapshot.
    #[must_use]
    pub fn sharing(mut self, shared: Shared) -> Self {
        shared.metrics(|metrics| {
            for state in self.observer.hooks().iter().chain(self.observer.on_demand()) {
                for probe in state.hook.probes {
                    metrics.set_probe(*probe, state.is_attached());
                }
            }
        });
        self.shared = Some(shared);
        self
    }

    /// Hands what is found to one more taker.
    #[must_use]
    pub fn handing_to(mut self, outlet: Box<dyn Outlet>) -> Self {
        self.outlets.push(outlet);
        self
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Whether a call of gomon's own has come back since somebody asked.
    pub fn take_self_test(&mut self) -> bool {
        std::mem::take(&mut self.self_tested)
    }

    /// What the runtimes' sockets are from now on; the known places below `host_root` if none is given.
    pub fn use_runtime_sockets(&mut self, given: &[PathBuf], host_root: &Path) {
        self.observer.use_runtime_sockets(given, host_root);
    }

    /// Waits for something to happen and takes it through. An error is the recording's: it cannot be written.
    pub async fn turn(&mut self) -> io::Result<Vec<Output>> {
        let mut out = Vec::new();
        self.observer.gather(self.engine.next_due()).await;
        self.taken_at = clock::now();
        self.tell_gathered();
        while let Some(observation) = self.observer.next_gathered() {
            self.take(observation, &mut out)?;
        }
        // Only when something waits for time to pass, or to show that the pipeline lives.
        let horizon = self.observer.horizon();
        let is_due = self.engine.next_due().is_some_and(|due| due <= horizon);
        let refresh = horizon.since(self.refreshed_at) >= REFRESH_NS;
        if is_due || refresh {
            self.take(Observation::Tick { at: horizon }, &mut out)?;
        }
        for at in self.observer.take_self_tests() {
            self.self_tested = true;
            if let Some(shared) = &self.shared {
                let latency = Duration::from_nanos(self.taken_at.since(at));
                shared.metrics(|metrics| metrics.placed(latency));
            }
        }
        if refresh {
            self.refreshed_at = horizon;
            self.refresh();
            if let Some(recorder) = &mut self.recorder {
                recorder.flush()?;
            }
        }
        Ok(out)
    }

    /// After the last turn: time has passed up to now, and what waited for it is decided.
    pub fn settle(&mut self) -> io::Result<Vec<Output>> {
        let mut out = Vec::new();
        self.take(Observation::Tick { at: self.observer.horizon() }, &mut out)?;
        Ok(out)
    }

    fn take(&mut self, observation: Observation, out: &mut Vec<Output>) -> io::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&observation)?;
        }
        if let Observation::ClockSet { epoch, .. } = &observation {
            self.epoch = *epoch;
        }
        let step = self.engine.observe(&observation);
        self.observer.ask(step.wanted);
        if let Some(shared) = &self.shared {
            shared.observe(&observation);
            if let Observation::Happened { event, .. } = &observation {
                let latency = Duration::from_nanos(self.taken_at.since(event.at));
                shared.metrics(|metrics| metrics.placed(latency));
            }
            for change in &step.changes {
                let diagnosis = change.diagnosis();
                let case = self.engine.case(&diagnosis.container);
                let identity = case.map(|case| case.identity.clone()).unwrap_or_default();
                shared.diagnosed(diagnosis, &identity);
            }
        }
        self.hand_on(&observation, &step.changes);
        if self.tells_observations {
            out.push(Output::Observed(observation));
        }
        out.extend(step.changes.into_iter().map(Output::Changed));
        Ok(())
    }

    /// Hands on what changed. A new diagnosis may be the cause of others, or their consequence, and a name may come after
    /// the diagnosis: then all of the container's go along.
    fn hand_on(&self, observation: &Observation, changes: &[Change]) {
        if self.outlets.is_empty() {
            return;
        }
        if let Observation::Learned { run, fact, .. } = observation
            && matches!(**fact, Fact::Identity(_))
        {
            self.hand_on_those(&run.container, |_| Some(Why::New));
        }
        for change in changes {
            let news = change.diagnosis();
            let why = match change {
                Change::New(_) => Why::New,
                Change::Again(_) => Why::Again,
                Change::Revised(_) => Why::Revised,
            };
            let touches_others = why == Why::New && news.severity > Severity::Info;
            self.hand_on_those(&news.container, |one| {
                if one.pattern == news.pattern && one.subject == news.subject {
                    return Some(why);
                }
                (touches_others && one.severity > Severity::Info).then_some(Why::Revised)
            });
        }
    }

    fn hand_on_those(&self, id: &ContainerId, why: impl Fn(&Diagnosis) -> Option<Why>) {
        let Some(case) = self.engine.case(id) else { return };
        let Some(conclusion) = self.engine.conclude(id) else { return };
        for diagnosis in &conclusion.diagnoses {
            let Some(why) = why(diagnosis) else { continue };
            let (facts, cgroup) = (case.about(), case.run.cgroup);
            let sighting = Sighting::new(&conclusion, diagnosis, facts, cgroup, self.epoch, VERSION);
            for outlet in &self.outlets {
                outlet.take(&sighting, why);
            }
        }
    }

    /// Carries the kernel's counters and gomon's own into the metrics.
    fn refresh(&mut self) {
        let inspected = self.observer.take_inspected();
        let Some(shared) = &self.shared else { return };
        let totals = self.observer.totals;
        let inspections_failed = self.observer.inspections_failed();
        let runs_given_up = self.engine.runs_given_up();
        // What a process that is forgotten had dropped is no longer in the sum, and was told.
        let evidence_dropped = self.engine.evidence_dropped().max(self.told.evidence_dropped);
        shared.metrics(|metrics| {
            for outlet in &self.outlets {
                outlet.tell(metrics);
            }
            for (probe, tally, total) in self.observer.tallies() {
                metrics.set_bpf_events(probe, tally, total);
            }
            for (program, books) in self.observer.books() {
                metrics.set_program(program, books.runs, books.run_time);
            }
            for (ended, took) in inspected {
                let result = match ended {
                    observer::Inspected::Wholly => Inspected::Ok,
                    observer::Inspected::Partly => Inspected::Partial,
                    observer::Inspected::GivenUp => Inspected::TimedOut,
                };
                metrics.inspected(result, took);
            }
            metrics.set_stuck(self.observer.stuck());
            for (map, entries, capacity) in self.observer.maps() {
                metrics.set_map(map, entries, capacity);
            }
            let grown = |now: u64, told: u64| now.saturating_sub(told);
            metrics.inspections_failed(grown(inspections_failed, self.told.inspections_failed));
            metrics.dropped(Dropped::Timeline, grown(evidence_dropped, self.told.evidence_dropped));
            metrics.dropped(Dropped::Containers, grown(runs_given_up, self.told.runs_given_up));
            metrics.dropped(Dropped::Undecodable, grown(totals.malformed, self.told.malformed));
        });
        self.told = Told { malformed: totals.malformed, inspections_failed, evidence_dropped, runs_given_up };
    }

    /// What was read, and whose it is not: before what is somebody's counts one by one.
    fn tell_gathered(&self) {
        let Some(shared) = &self.shared else { return };
        let Totals { unattributed, of_host, host_cgroups, repeated, malformed: _ } = self.observer.totals;
        shared.metrics(|metrics| {
            for (probe, total) in self.observer.rings().received() {
                metrics.set_received(probe, total);
            }
            metrics.set_waiting(self.observer.rings().held());
            metrics.set_unattributed(Unattributed::UnknownCgroup, unattributed);
            metrics.set_unattributed(Unattributed::NotAContainer, of_host);
            metrics.set_aside(SetAside::HostCgroup, host_cgroups);
            metrics.set_aside(SetAside::Repeated, repeated);
        });
    }

    /// Closes the recording; the number of its observations.
    pub fn finish(self) -> io::Result<Option<u64>> {
        self.recorder.map(Recorder::finish).transpose()
    }
}

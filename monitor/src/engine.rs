//! Joins observations into diagnoses. Pure: no files, no sockets, no clock; time comes with the observations.

mod coverage;
mod pace;

use std::collections::{BTreeMap, BTreeSet};

use monitor_common::probe::Probe;

use crate::{
    case::{Case, SETTLED_NS},
    ledger::{Change, Ledger},
    model::{
        container::{CgroupId, ContainerId, Run},
        diagnosis::{Conclusion, Diagnosis, Meaning, Severity, Verdict},
        event::{Event, EventKind},
        observation::{Host, Observation, Wanted},
        time::{BootNs, SECOND},
    },
    patterns::{CATALOGUE, Need, Pattern},
};
use coverage::is_decisive;
use pace::Pace;

/// Runs that are remembered at once; the longest gone go first.
const MAX_RUNS: usize = 8192;
/// Losses that are remembered one by one.
const MAX_LOSSES: usize = 1024;
/// How long a run is kept after its end, for facts that arrive late.
const KEEP_VANISHED_NS: u64 = 60 * SECOND;
/// Containers that are remembered by name after their runs were let go; the longest gone go first.
const MAX_GONE: usize = 4096;

/// What came of one observation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub changes: Vec<Change>,
    pub wanted: Vec<Wanted>,
}

/// The state of all containers.
#[derive(Debug, Default)]
pub struct Engine {
    cases: BTreeMap<Run, Case>,
    /// Runs whose patterns must be asked again at that time.
    pending: BTreeSet<(BootNs, Run)>,
    /// Runs of which a look is planned because time alone may change what the patterns see, and when.
    planned: BTreeMap<Run, BootNs>,
    /// Runs with events at which their patterns are asked.
    paces: BTreeMap<Run, Pace>,
    ledger: Ledger,
    /// What was known of containers whose runs were let go; their diagnoses are in the ledger.
    gone: BTreeMap<ContainerId, Conclusion>,
    blind: BTreeMap<String, String>,
    /// From when to when, and how many: losses beyond the limit are taken together.
    losses: Vec<(BootNs, BootNs, u64)>,
    /// Pieces of evidence that cases had no room for, of those that are gone.
    evidence_gone: u64,
    runs_given_up: u64,
    host: Host,
    now: BootNs,
}

impl Engine {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one observation.
    pub fn observe(&mut self, observation: &Observation) -> Step {
        self.now = self.now.max(observation.at());
        let mut step = Step::default();
        match observation {
            Observation::Host { host, .. } => self.host = host.clone(),
            Observation::Appeared { run, at, from_birth } => {
                self.case_mut(run, *at).from_birth = *from_birth;
            }
            Observation::Happened { run, event } => {
                let case = self.case_mut(run, event.at);
                let wants = case.happen(event);
                let plans_look = case.plans_look_after(event);
                let is_due = plans_look || !wants.is_empty();
                step.wanted.extend(wants.into_iter().map(|want| Wanted { run: run.clone(), want }));
                if is_due {
                    self.look_when_due(run);
                }
                self.after_event(run, event, &mut step);
            }
            Observation::Learned { run, at, fact } => {
                // A fact of a run that was let go comes too late.
                if let Some(case) = self.cases.get_mut(run) {
                    case.learn(*at, fact.as_ref().clone());
                    self.look_when_due(run);
                    self.ask_patterns(run, &mut step);
                }
            }
            Observation::Vanished { run, at } => {
                if let Some(case) = self.cases.get_mut(run) {
                    case.vanished_at = Some(*at);
                    case.now = case.now.max(*at);
                    self.ask_patterns(run, &mut step);
                    self.pending.insert((at.later(KEEP_VANISHED_NS), run.clone()));
                }
            }
            // What the clock says is the reports' business.
            Observation::Tick { .. } | Observation::ClockSet { .. } => {}
            Observation::Slept { at, ns } => {
                for case in self.cases.values_mut() {
                    case.slept(*at, *ns);
                }
            }
            Observation::Lost { at, count, .. } => {
                self.lose(*at, *count);
            }
            Observation::KeptBack { run, at, count, .. } => {
                if let Some(case) = self.cases.get_mut(run) {
                    case.now = case.now.max(*at);
                    case.kept_back = case.kept_back.saturating_add(*count);
                }
            }
            Observation::Blind { probe, why, .. } => {
                self.blind.insert(probe.clone(), why.clone());
            }
        }
        self.ask_pending(self.now, &mut step);
        step
    }

    /// Remembers a loss; the two oldest become one where there are too many, so that none is forgotten.
    fn lose(&mut self, at: BootNs, count: u64) {
        if self.losses.len() >= MAX_LOSSES {
            let (first, _, lost) = self.losses.remove(0);
            if let Some(next) = self.losses.first_mut() {
                *next = (first, next.1, next.2.saturating_add(lost));
            }
        }
        self.losses.push((at, at, count));
    }

    /// Which events can complete a pattern, and which only with time.
    fn after_event(&mut self, run: &Run, event: &Event, step: &mut Step) {
        let is_known = |case: &Case| case.process(event.task.pid).is_some();
        match &event.kind {
            EventKind::ExecFailed { .. } => self.look_when_due(run),
            // A process to which nothing had happened completes no pattern by its end.
            EventKind::Exit { .. } if !self.cases.get(run).is_some_and(is_known) => {}
            EventKind::Exit { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Listening { .. }
            | EventKind::DlopenFailed { .. }
            | EventKind::TlsRefused { .. } => self.ask_patterns_paced(run, event.at, step),
            EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::Flooded { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => {}
        }
    }

    /// When time itself may complete a pattern.
    pub fn next_due(&self) -> Option<BootNs> {
        self.pending.first().map(|(due, _)| *due)
    }

    fn ask_pending(&mut self, until: BootNs, step: &mut Step) {
        while self.pending.first().is_some_and(|(due, _)| *due <= until) {
            let Some((due, run)) = self.pending.pop_first() else { break };
            let gone_since = self.cases.get(&run).and_then(|case| case.vanished_at);
            if gone_since.is_some_and(|gone| self.now.since(gone) >= KEEP_VANISHED_NS) {
                self.let_go(&run);
                continue;
            }
            if self.planned.get(&run) == Some(&due) {
                self.planned.remove(&run);
            }
            let Some(case) = self.cases.get_mut(&run) else { continue };
            case.now = until;
            let wants = case.due_questions();
            step.wanted.extend(wants.into_iter().map(|want| Wanted { run: run.clone(), want }));
            self.look_when_due(&run);
            self.ask_patterns(&run, step);
        }
    }

    /// One look at a time: it plans the next one while something is open.
    fn look_when_due(&mut self, run: &Run) {
        if let Some(due) = self.cases.get(run).and_then(Case::next_due) {
            self.look_at(run, due);
        }
    }

    fn look_at(&mut self, run: &Run, due: BootNs) {
        if self.planned.get(run).is_none_or(|at| due < *at) {
            self.planned.insert(run.clone(), due);
            self.pending.insert((due, run.clone()));
        }
    }

    /// Asks them now, or soon where the run's events come in a flood.
    fn ask_patterns_paced(&mut self, run: &Run, at: BootNs, step: &mut Step) {
        let pace = match self.paces.get_mut(run) {
            Some(pace) => pace,
            None => self.paces.entry(run.clone()).or_default(),
        };
        match pace.take(at) {
            None => self.ask_patterns(run, step),
            Some(due) => self.look_at(run, due),
        }
    }

    fn ask_patterns(&mut self, run: &Run, step: &mut Step) {
        let Some(case) = self.cases.get(run) else { return };
        for pattern in CATALOGUE {
            for finding in (pattern.matches)(case) {
                step.changes.extend(self.ledger.record(pattern, case, finding));
            }
        }
    }

    #[expect(clippy::expect_used, reason = "an entry would copy the key of every event")]
    fn case_mut(&mut self, run: &Run, at: BootNs) -> &mut Case {
        if !self.cases.contains_key(run) {
            self.make_room();
            self.cases.insert(run.clone(), Case::new(run.clone(), at, self.host.clone()));
        }
        self.cases.get_mut(run).expect("it was there or was put there")
    }

    /// Pieces of evidence for which a case had no room.
    pub fn evidence_dropped(&self) -> u64 {
        self.evidence_gone + self.cases.values().map(Case::evidence_dropped).sum::<u64>()
    }

    /// Running containers that had to make room for others.
    pub fn runs_given_up(&self) -> u64 {
        self.runs_given_up
    }

    fn make_room(&mut self) {
        if self.cases.len() < MAX_RUNS {
            return;
        }
        let first_to_go = self
            .cases
            .values()
            .min_by_key(|case| (case.vanished_at.is_none(), case.vanished_at, case.appeared_at))
            .map(|case| case.run.clone());
        if let Some(run) = first_to_go {
            let lives = self.cases.get(&run).is_some_and(|case| case.vanished_at.is_none());
            self.runs_given_up += u64::from(lives);
            self.let_go(&run);
        }
    }

    /// Forgets a run; its container keeps its name and its coverage.
    fn let_go(&mut self, run: &Run) {
        let conclusion = self.conclude(&run.container);
        self.evidence_gone += self.cases.remove(run).map_or(0, |case| case.evidence_dropped());
        self.planned.remove(run);
        self.paces.remove(run);
        let Some(conclusion) = conclusion.filter(|_| self.case(&run.container).is_none()) else { return };
        if self.gone.len() >= MAX_GONE {
            let oldest = self.gone.iter().min_by_key(|(_, gone)| gone.coverage.to).map(|(id, _)| id.clone());
            drop(oldest.and_then(|id| self.gone.remove(&id)));
        }
        self.gone.insert(run.container.clone(), Conclusion { diagnoses: Vec::new(), ..conclusion });
    }

    /// No more observations will come: what waited for time to pass is decided now. Nobody answers questions any more.
    pub fn settle(&mut self) -> Step {
        let mut step = Step::default();
        self.ask_pending(self.now.later(SETTLED_NS), &mut step);
        step
    }

    /// The latest run of a container.
    pub fn case(&self, container: &ContainerId) -> Option<&Case> {
        let first = Run { container: container.clone(), cgroup: CgroupId(0) };
        let of_container = self.cases.range(first..).take_while(|(run, _)| run.container == *container);
        of_container.map(|(_, case)| case).max_by_key(|case| case.appeared_at)
    }

    /// All diagnoses, the oldest first.
    pub fn diagnoses(&self) -> Vec<&Diagnosis> {
        self.ledger.all()
    }

    /// Containers that are or were watched.
    pub fn containers(&self) -> BTreeSet<&ContainerId> {
        let of_cases = self.cases.keys().map(|run| &run.container).chain(self.gone.keys());
        of_cases.chain(self.ledger.all().into_iter().map(|diagnosis| &diagnosis.container)).collect()
    }

    /// The whole answer about one container; `None` if it was never seen.
    pub fn conclude(&self, container: &ContainerId) -> Option<Conclusion> {
        let diagnoses = self.ledger.of(container);
        let case = self.case(container);
        if case.is_none()
            && let Some(gone) = self.gone.get(container)
        {
            return Some(Conclusion { diagnoses, ..gone.clone() });
        }
        if diagnoses.is_empty() && case.is_none() {
            return None;
        }
        let coverage = self.coverage(container, case, &diagnoses);
        let has_findings = diagnoses.iter().any(|diagnosis| diagnosis.severity > Severity::Info);
        let ending = case.and_then(|case| case.ending(diagnoses.iter().any(|one| explains_end(case, one))));
        let is_unexplained = ending.as_ref().is_some_and(|ending| ending.meaning == Meaning::Unexplained);
        let verdict = if has_findings {
            Verdict::Findings
        } else if coverage.events_lost == 0 && !coverage.blind.iter().any(is_decisive) && !is_unexplained {
            Verdict::Clean
        } else {
            Verdict::Inconclusive
        };
        let identity = case.map(|case| case.identity.clone()).unwrap_or_default();
        Some(Conclusion { container: container.clone(), identity, verdict, diagnoses, ending, coverage })
    }

    /// Patterns that cannot tell anything about any container, because a probe is off.
    pub fn blind_patterns(&self) -> Vec<&'static Pattern> {
        CATALOGUE
            .iter()
            .filter(|pattern| {
                pattern.needs.iter().any(|need| match need {
                    Need::Probe(probe) => self.blind.contains_key(probe.name()),
                    Need::Config
                    | Need::Entrypoint
                    | Need::Birth
                    | Need::Dlopen
                    | Need::Passwd
                    | Need::WrittenFiles
                    | Need::Processes
                    | Need::CpuStat
                    | Need::TrustStore => false,
                })
            })
            .collect()
    }

    /// Probes that are off, with the reason.
    pub fn blind_probes(&self) -> &BTreeMap<String, String> {
        &self.blind
    }

    /// Whether all of a pattern's probes see.
    pub fn sees(&self, probe: Probe) -> bool {
        !self.blind.contains_key(probe.name())
    }
}

/// A diagnosis says why the container ended: it is an error of its own, or the end is part of its evidence. Of an end that
/// nobody saw any finding may be the reason.
fn explains_end(case: &Case, diagnosis: &Diagnosis) -> bool {
    let is_of_this_run = diagnosis.last_seen >= case.appeared_at;
    let ended_at = case.init().and_then(|init| init.exit).map(|exit| exit.at);
    match diagnosis.severity {
        Severity::Info => false,
        Severity::Warning => {
            ended_at.is_none_or(|at| diagnosis.evidence.iter().any(|evidence| evidence.at == Some(at)))
        }
        Severity::Error => is_of_this_run || ended_at.is_none(),
    }
}

#[cfg(test)]
mod tests;

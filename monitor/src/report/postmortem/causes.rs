//! Joins incidents into failures and puts consequences under their causes. Pure.

use std::cmp::Reverse;

use super::lineage::{self, Lineage};
use crate::{
    model::{
        diagnosis::{Blindness, Confidence, Diagnosis, Ending, Severity},
        incident::Incident,
        text::{inert, inert_lines},
        time::BootNs,
    },
    patterns,
};

/// One kind of failure of one container, over all its runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its place in the report, from 1: `F1`.
    pub number: usize,
    /// The ids of its incidents, the oldest first: a container that is made anew after each failure has several.
    pub incidents: Vec<String>,
    pub container: String,
    /// `RUNTIME://ID` of each of them.
    pub container_ids: Vec<String>,
    /// Empty where it is not known.
    pub image: String,
    /// `NAMESPACE/POD`, where there is one.
    pub pod: Option<String>,
    /// What runs the pod, and how sure that is, as far as it is known.
    pub run_by: Option<String>,
    pub pattern: String,
    /// What the catalogue says of the pattern; a store may hold one that this gomon does not know.
    pub title: Option<&'static str>,
    pub severity: Severity,
    pub confidence: Confidence,
    pub subject: String,
    pub summary: String,
    pub remedy: String,
    pub consequence_of: Option<String>,
    pub first: BootNs,
    pub last: BootNs,
    pub count: u64,
    /// Of the run that was told last.
    pub ending: Option<Ending>,
    pub attached_before_start: bool,
    /// When gomon watched the containers of its incidents.
    pub watched: Vec<(BootNs, BootNs)>,
    /// The evidence of the latest occurrence, by number.
    pub evidence: Vec<usize>,
    /// What its own pattern could not see.
    pub not_seen: Vec<(String, String)>,
    /// The gomon that told it last.
    pub version: String,
    pub(super) key: Key,
}

/// A failure that no other one in the report explains, and what it brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub failure: Failure,
    pub consequences: Vec<Failure>,
}

/// What makes two incidents one failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    lineage: Lineage,
    pattern: String,
    subject: String,
}

impl Key {
    pub(super) fn of(incident: &Incident) -> Self {
        let Diagnosis { pattern, subject, .. } = &incident.told.diagnosis;
        Self { lineage: Lineage::of(incident), pattern: pattern.clone(), subject: subject.clone() }
    }
}

/// The causes, the gravest first, with their numbers.
pub(super) fn of(incidents: &[Incident]) -> Vec<Cause> {
    let mut oldest_first: Vec<&Incident> = incidents.iter().collect();
    oldest_first.sort_by_key(|one| (one.told.diagnosis.last_seen, one.id.clone()));
    let mut failures: Vec<Failure> = Vec::new();
    for incident in oldest_first {
        let key = Key::of(incident);
        match failures.iter_mut().find(|known| known.key == key) {
            Some(known) => join(known, incident),
            None => failures.push(failure(incident, key)),
        }
    }
    failures.sort_by_key(|one| {
        let is_information = one.severity == Severity::Info;
        (is_information, Reverse((one.severity, one.confidence)), one.first)
    });
    nested(failures)
}

/// What informs stands apart from what failed, unless there is nothing else.
pub(super) fn apart(causes: &[Cause]) -> (&[Cause], &[Cause]) {
    match causes.partition_point(|one| one.failure.severity > Severity::Info) {
        0 => (causes, &[]),
        at => causes.split_at(at),
    }
}

fn failure(incident: &Incident, key: Key) -> Failure {
    let told = &incident.told;
    let diagnosis = &told.diagnosis;
    let text = |text: &str| inert(text).into_owned();
    let blind = |one: &&Blindness| one.patterns.contains(&diagnosis.pattern);
    Failure {
        number: 0,
        incidents: vec![text(&incident.id)],
        container: lineage::named(incident),
        container_ids: vec![text(&format!("{}://{}", told.identity.runtime.name(), diagnosis.container))],
        image: text(&told.identity.image),
        pod: Lineage::pod_of(incident),
        run_by: told.identity.workload.as_ref().map(|one| text(&one.to_string())),
        pattern: text(&diagnosis.pattern),
        title: patterns::find(&diagnosis.pattern).map(|pattern| pattern.title),
        severity: diagnosis.severity,
        confidence: diagnosis.confidence,
        subject: text(&diagnosis.subject),
        summary: text(&diagnosis.summary),
        remedy: inert_lines(diagnosis.remedy.trim_end()),
        consequence_of: diagnosis.consequence_of.as_deref().map(text),
        first: diagnosis.first_seen,
        last: diagnosis.last_seen,
        count: diagnosis.count,
        ending: told.ending.clone(),
        attached_before_start: told.coverage.attached_before_start,
        watched: vec![(told.coverage.from, told.coverage.to)],
        evidence: Vec::new(),
        not_seen: told
            .coverage
            .blind
            .iter()
            .filter(blind)
            .map(|one| (text(&one.what), text(&one.why)))
            .collect(),
        version: text(&told.version),
        key,
    }
}

/// Takes a later incident of the same failure in: what is told is told of the latest.
fn join(known: &mut Failure, later: &Incident) {
    let Failure { incidents, container_ids, first, last, count, severity, watched, .. } = known.clone();
    *known = failure(later, known.key.clone());
    known.first = known.first.min(first);
    known.last = known.last.max(last);
    known.count = known.count.saturating_add(count);
    known.severity = known.severity.max(severity);
    known.incidents = incidents.into_iter().chain(known.incidents.drain(..)).collect();
    known.watched = watched.into_iter().chain(known.watched.drain(..)).collect();
    let new = std::mem::take(&mut known.container_ids);
    known.container_ids = container_ids;
    for id in new {
        if !known.container_ids.contains(&id) {
            known.container_ids.push(id);
        }
    }
}

/// Each consequence under the cause at the end of its chain. Who stands in a ring of consequences stands alone: nobody knows
/// who wrote the file.
fn nested(failures: Vec<Failure>) -> Vec<Cause> {
    let parents: Vec<Option<usize>> = failures.iter().map(|one| parent(one, &failures)).collect();
    let roots: Vec<usize> = (0..failures.len()).map(|at| root(at, &parents)).collect();
    let mut causes: Vec<(usize, Cause)> = Vec::new();
    let mut consequences = Vec::new();
    for ((at, failure), root) in failures.into_iter().enumerate().zip(roots) {
        if at == root {
            causes.push((at, Cause { failure, consequences: Vec::new() }));
        } else {
            consequences.push((root, failure));
        }
    }
    for (root, failure) in consequences {
        if let Some((_, cause)) = causes.iter_mut().find(|(at, _)| *at == root) {
            cause.consequences.push(failure);
        }
    }
    let mut causes: Vec<Cause> = causes.into_iter().map(|(_, cause)| cause).collect();
    let all =
        causes.iter_mut().flat_map(|one| std::iter::once(&mut one.failure).chain(&mut one.consequences));
    for (number, failure) in (1..).zip(all) {
        failure.number = number;
    }
    causes
}

fn parent(of: &Failure, all: &[Failure]) -> Option<usize> {
    let pattern = of.consequence_of.as_deref()?;
    all.iter().position(|one| one.key.lineage == of.key.lineage && one.pattern == pattern)
}

fn root(of: usize, parents: &[Option<usize>]) -> usize {
    let mut at = of;
    for _ in 0..parents.len() {
        match parents.get(at).copied().flatten() {
            Some(next) => at = next,
            None => return at,
        }
    }
    of
}

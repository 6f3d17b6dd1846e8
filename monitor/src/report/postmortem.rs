//! A postmortem: what kept incidents tell of a failure, in the order in which people ask for it. Pure; every sentence comes from
//! a field of an incident, and what no field says is left for people to fill in.

mod axis;
mod causes;
mod changes;
mod document;
mod evidence;
mod html;
mod lineage;
mod markdown;
mod open;
mod picture;
mod words;

use jiff::Timestamp;

pub use causes::{Cause, Failure};
pub use changes::{Change, Changes, Outcome};
pub use document::{Document, SCHEMA, SCHEMA_VERSION};
pub use evidence::{Entry, Row, Timeline};
pub use html::page as html;
pub(super) use lineage::named;
pub use markdown::page as markdown;
pub use open::{ACTION_ITEMS, Question, Section, questions};
pub use words::CANNOT_TELL;

use crate::model::{
    diagnosis::{Blindness, Coverage, Severity},
    incident::Incident,
    text::{inert, inert_short},
    time::BootNs,
};

/// Characters of an id that tell containers apart.
const SHORT_ID: usize = 12;

/// What a report was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The choice in words, e.g. `container api, since 2026-03-01T09:30:00Z`.
    pub asked: String,
    /// Incidents that fit; more than are in the report where it has a limit.
    pub total: u64,
    /// When the report is made.
    pub made: Timestamp,
    /// The gomon that makes it.
    pub version: String,
}

/// A report. All text is inert; times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postmortem {
    pub title: String,
    pub scope: Scope,
    /// Incidents that the report is about.
    pub count: usize,
    pub severity: Severity,
    pub first: BootNs,
    pub last: BootNs,
    pub summary: Vec<String>,
    pub impact: Vec<String>,
    pub trigger: Vec<String>,
    pub detection: Vec<String>,
    /// The gravest first.
    pub causes: Vec<Cause>,
    pub timeline: Timeline,
    pub changes: Changes,
    /// What was seen of each container.
    pub coverage: Vec<Watched>,
}

/// What was seen of a container while its incidents were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pub container: String,
    pub container_id: String,
    pub coverage: Coverage,
}

impl Watched {
    /// The beginning of the container's id: several have one name where it was made anew.
    #[must_use]
    pub fn short_id(&self) -> String {
        inert_short(&self.container_id, SHORT_ID)
    }
}

impl Postmortem {
    /// The report on `incidents`, which come in any order; `None` where there are none.
    #[must_use]
    pub fn new(incidents: &[Incident], scope: Scope) -> Option<Self> {
        let mut causes = causes::of(incidents);
        let gravest = causes.first()?.failure.severity;
        let failures = || incidents.iter().map(|one| &one.told.diagnosis);
        let first = failures().map(|one| one.first_seen).min()?;
        let last = failures().map(|one| one.last_seen).max()?;
        let timeline = evidence::timeline(incidents, &mut causes);
        let (failing, remarks) = causes::apart(&causes);
        let Scope { asked, total, made, version } = scope;
        let scope =
            Scope { asked: inert(&asked).into_owned(), total, made, version: inert(&version).into_owned() };
        Some(Self {
            title: words::title(failing),
            count: incidents.len(),
            severity: causes.iter().map(|one| one.failure.severity).max().unwrap_or(gravest),
            first,
            last,
            summary: words::summary(failing, remarks),
            impact: words::impact(failing),
            trigger: words::trigger(failing, &timeline),
            detection: words::detection(failing, &timeline),
            changes: changes::of(incidents),
            coverage: watched(incidents),
            scope,
            causes,
            timeline,
        })
    }

    /// Incidents that fit what was asked for and are not in the report.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.scope.total.saturating_sub(u64::try_from(self.count).unwrap_or(u64::MAX))
    }

    /// The causes of failures, and then the remarks that stand beside them.
    #[must_use]
    pub fn causes_and_remarks(&self) -> (&[Cause], &[Cause]) {
        causes::apart(&self.causes)
    }

    /// All failures: each cause, and then what it brought about.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.causes.iter().flat_map(|cause| std::iter::once(&cause.failure).chain(&cause.consequences))
    }
}

/// Of all incidents of its container: those that brought this one about, or that it brought about, directly or not.
#[must_use]
pub fn related(of: &Incident, all: &[Incident]) -> Vec<Incident> {
    let diagnosis = |one: &Incident| one.told.diagnosis.clone();
    let own: Vec<&Incident> = all
        .iter()
        .filter(|one| one.id != of.id && one.told.diagnosis.container == of.told.diagnosis.container)
        .collect();
    let mut found = vec![of.clone()];
    let mut rest = own;
    loop {
        let (near, far): (Vec<&Incident>, Vec<&Incident>) = rest.iter().copied().partition(|one| {
            let one = diagnosis(one);
            found.iter().map(diagnosis).any(|known| {
                known.consequence_of.as_deref() == Some(&*one.pattern)
                    || one.consequence_of.as_deref() == Some(&*known.pattern)
            })
        });
        if near.is_empty() {
            return found;
        }
        found.extend(near.into_iter().cloned());
        rest = far;
    }
}

/// One entry for each container, from the incident that was told last, with whatever another one could not see.
fn watched(incidents: &[Incident]) -> Vec<Watched> {
    let mut all: Vec<Watched> = Vec::new();
    for incident in incidents {
        let id = inert(&incident.told.diagnosis.container.0).into_owned();
        let coverage = &incident.told.coverage;
        let blind: Vec<Blindness> = coverage.blind.iter().map(inert_blindness).collect();
        let Some(known) = all.iter_mut().find(|one| one.container_id == id) else {
            let container = lineage::named(incident);
            let coverage = Coverage { blind, ..coverage.clone() };
            all.push(Watched { container, container_id: id, coverage });
            continue;
        };
        let mut both = known.coverage.clone();
        if coverage.to > both.to {
            both = Coverage { blind: both.blind, ..coverage.clone() };
        }
        both.events_lost = known.coverage.events_lost.max(coverage.events_lost);
        both.attached_before_start = known.coverage.attached_before_start && coverage.attached_before_start;
        both.blind.extend(blind.into_iter().filter(|one| !known.coverage.blind.contains(one)));
        known.coverage = both;
    }
    all.sort_by(|one, other| {
        (one.coverage.from, &one.container).cmp(&(other.coverage.from, &other.container))
    });
    all
}

fn inert_blindness(one: &Blindness) -> Blindness {
    let Blindness { what, why, patterns } = one;
    Blindness {
        what: inert(what).into_owned(),
        why: inert(why).into_owned(),
        patterns: patterns.iter().map(|id| inert(id).into_owned()).collect(),
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

//! The published JSON of a report, docs/report.schema.json. Never changes a field without a new schema version.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cause, Change, Entry, Failure, Outcome, Postmortem, Watched, open};
use crate::{
    model::{
        diagnosis::{Coverage, Ending},
        incident::EPOCH,
    },
    report::json::{CoverageItem, ExitItem},
};

/// The version of the schema that a document names.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema of [`Document`].
pub const SCHEMA: &str = include_str!("../../../../docs/report.schema.json");

/// A report: `gomon report -o json`. It has the whole timeline.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema_version: u32,
    title: &'a str,
    made: String,
    gomon_version: &'a str,
    scope: ScopeItem<'a>,
    severity: &'static str,
    first_seen: String,
    last_seen: String,
    summary: &'a [String],
    impact: &'a [String],
    trigger: &'a [String],
    detection: &'a [String],
    causes: Vec<CauseItem<'a>>,
    timeline: TimelineItem<'a>,
    changes: Vec<ChangeItem<'a>>,
    changes_left_out: usize,
    coverage: Vec<WatchedItem<'a>>,
    /// For people to fill in.
    human: BTreeMap<&'static str, Blank>,
}

#[derive(Debug, Serialize)]
struct ScopeItem<'a> {
    asked: &'a str,
    incidents: usize,
    left_out: u64,
}

#[derive(Debug, Serialize)]
struct CauseItem<'a> {
    #[serde(flatten)]
    failure: FailureItem<'a>,
    consequences: Vec<FailureItem<'a>>,
}

#[derive(Debug, Serialize)]
struct FailureItem<'a> {
    id: String,
    incidents: &'a [String],
    container: &'a str,
    container_ids: &'a [String],
    image: &'a str,
    run_by: Option<&'a str>,
    pattern: &'a str,
    pattern_title: Option<&'static str>,
    severity: &'static str,
    confidence: &'static str,
    subject: &'a str,
    summary: &'a str,
    remedy: &'a str,
    consequence_of: Option<&'a str>,
    first_seen: String,
    last_seen: String,
    count: u64,
    exit: Option<ExitItem>,
    evidence: Vec<String>,
    not_seen: Vec<NotSeen<'a>>,
    gomon_version: &'a str,
}

#[derive(Debug, Serialize)]
struct NotSeen<'a> {
    what: &'a str,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct TimelineItem<'a> {
    entries: Vec<EntryItem<'a>>,
    not_kept: u64,
}

#[derive(Debug, Serialize)]
struct EntryItem<'a> {
    id: String,
    time: Option<String>,
    since_ns: Option<u64>,
    source: &'static str,
    actor: &'a str,
    fact: &'a str,
    failures: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ChangeItem<'a> {
    container: &'a str,
    earlier: Option<String>,
    latest: String,
    facts: Vec<FactItem<'a>>,
}

#[derive(Debug, Serialize)]
struct FactItem<'a> {
    what: &'static str,
    earlier: Option<&'a str>,
    latest: Option<&'a str>,
    /// Null where one of them is not known.
    changed: Option<bool>,
}

#[derive(Debug, Serialize)]
struct WatchedItem<'a> {
    container: &'a str,
    container_id: &'a str,
    #[serde(flatten)]
    coverage: CoverageItem<'a>,
    cannot_tell: Vec<&'a str>,
}

/// What stands where people are to write.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Blank {
    Text(Option<String>),
    List(Vec<String>),
}

impl<'a> Document<'a> {
    #[must_use]
    pub fn new(report: &'a Postmortem) -> Self {
        let Postmortem { title, scope, count, severity, first, last, .. } = report;
        let Postmortem { summary, impact, trigger, detection, causes, timeline, changes, coverage, .. } =
            report;
        let blanks = open::all().map(|question| (question.key, Blank::Text(None)));
        Self {
            schema_version: SCHEMA_VERSION,
            title,
            made: format!("{:.0}", scope.made),
            gomon_version: &scope.version,
            scope: ScopeItem { asked: &scope.asked, incidents: *count, left_out: report.left_out() },
            severity: severity.name(),
            first_seen: EPOCH.rfc3339(*first),
            last_seen: EPOCH.rfc3339(*last),
            summary,
            impact,
            trigger,
            detection,
            causes: causes.iter().map(CauseItem::new).collect(),
            timeline: TimelineItem {
                entries: timeline.entries.iter().map(EntryItem::new).collect(),
                not_kept: timeline.not_kept,
            },
            changes: changes.containers.iter().map(ChangeItem::new).collect(),
            changes_left_out: changes.left_out,
            coverage: coverage.iter().map(WatchedItem::new).collect(),
            human: blanks.chain([("action_items", Blank::List(Vec::new()))]).collect(),
        }
    }
}

impl<'a> CauseItem<'a> {
    fn new(cause: &'a Cause) -> Self {
        let Cause { failure, consequences } = cause;
        Self {
            failure: FailureItem::new(failure),
            consequences: consequences.iter().map(FailureItem::new).collect(),
        }
    }
}

impl<'a> FailureItem<'a> {
    fn new(failure: &'a Failure) -> Self {
        let Failure { number, incidents, container, container_ids, image, run_by, pod: _, .. } = failure;
        let Failure { pattern, title, severity, confidence, subject, summary, remedy, .. } = failure;
        let Failure { consequence_of, first, last, count, ending, evidence, not_seen, version, .. } = failure;
        Self {
            id: format!("F{number}"),
            incidents,
            container,
            container_ids,
            image,
            run_by: run_by.as_deref(),
            pattern,
            pattern_title: *title,
            severity: severity.name(),
            confidence: confidence.name(),
            subject,
            summary,
            remedy,
            consequence_of: consequence_of.as_deref(),
            first_seen: EPOCH.rfc3339(*first),
            last_seen: EPOCH.rfc3339(*last),
            count: *count,
            exit: ending.as_ref().map(|ending: &Ending| ExitItem::new(ending, EPOCH)),
            evidence: evidence.iter().map(|number| format!("E{number}")).collect(),
            not_seen: not_seen.iter().map(|(what, why)| NotSeen { what, why }).collect(),
            gomon_version: version,
        }
    }
}

impl<'a> EntryItem<'a> {
    fn new(entry: &'a Entry) -> Self {
        let Entry { number, at, since, source, actor, fact, failures, is_cited: _ } = entry;
        Self {
            id: format!("E{number}"),
            time: at.map(|at| EPOCH.rfc3339(at)),
            since_ns: *since,
            source: source.name(),
            actor,
            fact,
            failures: failures.iter().map(|number| format!("F{number}")).collect(),
        }
    }
}

impl<'a> ChangeItem<'a> {
    fn new(change: &'a Change) -> Self {
        let Change { container, earlier, latest, rows } = change;
        let facts = rows.iter().map(|(what, outcome)| FactItem::new(what, outcome)).collect();
        Self {
            container,
            earlier: earlier.map(|at| EPOCH.rfc3339(at)),
            latest: EPOCH.rfc3339(*latest),
            facts,
        }
    }
}

impl<'a> FactItem<'a> {
    fn new(what: &'static str, outcome: &'a Outcome) -> Self {
        let (earlier, latest, changed) = match outcome {
            Outcome::Changed { from, to } => (Some(&**from), Some(&**to), Some(true)),
            Outcome::Same(value) => (Some(&**value), Some(&**value), Some(false)),
            Outcome::Only(value) => (None, Some(&**value), None),
            Outcome::Before(value) => (Some(&**value), None, None),
            Outcome::Unknown => (None, None, None),
        };
        Self { what, earlier, latest, changed }
    }
}

impl<'a> WatchedItem<'a> {
    fn new(watched: &'a Watched) -> Self {
        let Watched { container, container_id, coverage } = watched;
        Self {
            container,
            container_id,
            coverage: CoverageItem::new(coverage, EPOCH),
            cannot_tell: cannot_tell(coverage),
        }
    }
}

/// The patterns whose answer is "cannot tell".
pub(super) fn cannot_tell(coverage: &Coverage) -> Vec<&str> {
    let mut all: Vec<&str> =
        coverage.blind.iter().flat_map(|one| &one.patterns).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    all
}

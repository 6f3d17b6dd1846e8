//! The book of diagnoses: merges the repeats of a crash loop into one entry with a count. Pure.

use std::collections::BTreeMap;

use crate::{
    case::Case,
    model::{
        container::ContainerId,
        diagnosis::{Diagnosis, Finding},
        time::BootNs,
    },
    patterns::{Pattern, rank},
};

/// Diagnoses that one container can have; further subjects are counted in the last one's stead.
const MAX_PER_CONTAINER: usize = 32;
/// Containers with diagnoses; the one whose last finding is oldest goes first.
const MAX_CONTAINERS: usize = 4096;

/// What a finding did to the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    New(Diagnosis),
    /// The same cause struck again.
    Again(Diagnosis),
    /// The same occurrence is known better now.
    Revised(Diagnosis),
}

impl Change {
    pub fn diagnosis(&self) -> &Diagnosis {
        match self {
            Self::New(diagnosis) | Self::Again(diagnosis) | Self::Revised(diagnosis) => diagnosis,
        }
    }
}

type Key = (&'static str, String);

/// All diagnoses by container, pattern and subject.
#[derive(Debug, Default)]
pub struct Ledger {
    by_container: BTreeMap<ContainerId, BTreeMap<Key, Diagnosis>>,
}

impl Ledger {
    /// Enters a finding; `None` if nothing is new.
    pub fn record(&mut self, pattern: &'static Pattern, case: &Case, finding: Finding) -> Option<Change> {
        let container = &case.run.container;
        if !self.by_container.contains_key(container) && self.by_container.len() >= MAX_CONTAINERS {
            self.drop_oldest();
        }
        let book = self.by_container.entry(container.clone()).or_default();
        let key = (pattern.id, finding.subject.clone());
        let Some(known) = book.get_mut(&key) else {
            if book.len() >= MAX_PER_CONTAINER {
                return None;
            }
            let diagnosis = open(pattern, container, finding);
            book.insert(key, diagnosis.clone());
            return Some(Change::New(diagnosis));
        };
        if finding.at > known.last_seen {
            let (first_seen, count) = (known.first_seen, known.count + 1);
            *known = Diagnosis { first_seen, count, ..open(pattern, container, finding) };
            return Some(Change::Again(known.clone()));
        }
        let same_occurrence = finding.at == known.last_seen;
        let better = finding.confidence > known.confidence
            || finding.severity != known.severity
            || finding.evidence.len() > known.evidence.len();
        if same_occurrence && better {
            let (first_seen, count) = (known.first_seen, known.count);
            *known = Diagnosis { first_seen, count, ..open(pattern, container, finding) };
            return Some(Change::Revised(known.clone()));
        }
        None
    }

    /// All diagnoses, the oldest first.
    pub fn all(&self) -> Vec<&Diagnosis> {
        let mut all: Vec<&Diagnosis> = self.by_container.values().flat_map(BTreeMap::values).collect();
        all.sort_by_key(|diagnosis| diagnosis.first_seen);
        all
    }

    /// The diagnoses of one container, ranked.
    pub fn of(&self, container: &ContainerId) -> Vec<Diagnosis> {
        let mut found: Vec<Diagnosis> =
            self.by_container.get(container).map(|book| book.values().cloned().collect()).unwrap_or_default();
        rank(&mut found);
        found
    }

    fn drop_oldest(&mut self) {
        let last_of =
            |book: &BTreeMap<Key, Diagnosis>| book.values().map(|d| d.last_seen).max().unwrap_or(BootNs(0));
        let oldest = self.by_container.iter().min_by_key(|(_, book)| last_of(book)).map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.by_container.remove(&id);
        }
    }
}

fn open(pattern: &Pattern, container: &ContainerId, finding: Finding) -> Diagnosis {
    let Finding { severity, confidence, subject, summary, evidence, remedy, at } = finding;
    Diagnosis {
        container: container.clone(),
        pattern: pattern.id.to_owned(),
        severity,
        confidence,
        subject,
        summary,
        evidence,
        remedy,
        first_seen: at,
        last_seen: at,
        count: 1,
        consequence_of: None,
    }
}

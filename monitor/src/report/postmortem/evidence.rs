//! The evidence of all incidents as one timeline, each piece with a number of its own. Pure.

use std::collections::HashMap;

use super::{
    causes::{Cause, Failure, Key},
    lineage,
};
use crate::model::{
    diagnosis::{Evidence, Source},
    incident::Incident,
    text::inert,
    time::BootNs,
};

/// Pieces of evidence at each end of the timeline that stay in a shortened one.
const ENDS: usize = 40;

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the report, from 1: `E1`.
    pub number: usize,
    /// `None` of a standing fact.
    pub at: Option<BootNs>,
    /// Nanoseconds since the first of them.
    pub since: Option<u64>,
    pub source: Source,
    /// The container that did it or that it was found in.
    pub actor: String,
    pub fact: String,
    /// The numbers of the failures that it is told of.
    pub failures: Vec<usize>,
    /// The latest occurrence of one of them rests on it.
    pub is_cited: bool,
}

/// All evidence: what has a time, the oldest first, then standing facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    pub entries: Vec<Entry>,
    /// Pieces of evidence that the store had no room for.
    pub not_kept: u64,
}

/// A line of a shortened timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    Entry(&'a Entry),
    /// So many are left out, from one number to another.
    Gap {
        count: usize,
        from: usize,
        to: usize,
    },
}

impl Timeline {
    /// The piece of evidence with this number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number.checked_sub(1)?)
    }

    /// Those with a time.
    pub fn timed(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|one| one.at.is_some())
    }

    /// What people are shown: the first and the last pieces, and all that a cause rests on.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let timed = self.timed().count();
        let is_shown = |one: &Entry| {
            one.is_cited
                || one.at.is_none()
                || one.number <= ENDS
                || one.number + ENDS > timed
                || timed <= 2 * ENDS
        };
        let mut rows = Vec::new();
        for one in &self.entries {
            if is_shown(one) {
                rows.push(Row::Entry(one));
            } else if let Some(Row::Gap { count, to, .. }) = rows.last_mut() {
                *count += 1;
                *to = one.number;
            } else {
                rows.push(Row::Gap { count: 1, from: one.number, to: one.number });
            }
        }
        rows
    }

    /// How many [`Self::rows`] leaves out.
    #[must_use]
    pub fn left_out(&self) -> usize {
        let gap = |row: &Row<'_>| match row {
            Row::Gap { count, .. } => *count,
            Row::Entry(_) => 0,
        };
        self.rows().iter().map(gap).sum()
    }
}

/// Numbers the evidence and tells each failure which of it the latest occurrence rests on.
pub(super) fn timeline(incidents: &[Incident], causes: &mut [Cause]) -> Timeline {
    let mut pool = Pool::default();
    let mut latest_last: Vec<&Incident> = incidents.iter().collect();
    latest_last.sort_by_key(|one| (one.told.diagnosis.last_seen, one.id.clone()));
    for incident in latest_last {
        let key = Key::of(incident);
        let Some(failure) = causes.iter_mut().flat_map(all).find(|one| one.key == key) else { continue };
        for one in &incident.timeline {
            pool.add(entry(incident, one, failure.number));
        }
        let latest = incident.told.diagnosis.evidence.iter();
        failure.evidence = latest.map(|one| pool.add(entry(incident, one, failure.number))).collect();
    }
    let (entries, numbers) = pool.numbered();
    let mut timeline = Timeline { entries, not_kept: incidents.iter().map(|one| one.timeline_dropped).sum() };
    for failure in causes.iter_mut().flat_map(all) {
        failure.evidence = failure.evidence.iter().filter_map(|place| numbers.get(*place).copied()).collect();
        failure.evidence.sort_unstable();
        failure.evidence.dedup();
        for number in &failure.evidence {
            if let Some(one) = timeline.entries.get_mut(number.saturating_sub(1)) {
                one.is_cited = true;
            }
        }
    }
    timeline
}

fn all(cause: &mut Cause) -> impl Iterator<Item = &mut Failure> {
    std::iter::once(&mut cause.failure).chain(&mut cause.consequences)
}

fn entry(incident: &Incident, one: &Evidence, failure: usize) -> Entry {
    let Evidence { at, source, fact } = one;
    let container = lineage::named(incident);
    let actor = match source {
        Source::Runtime => format!("{}, of {container}", incident.told.identity.runtime.name()),
        Source::Kernel | Source::Files | Source::Config | Source::Procfs => container,
    };
    Entry {
        number: 0,
        at: *at,
        since: None,
        source: *source,
        actor,
        fact: inert(fact).into_owned(),
        failures: vec![failure],
        is_cited: false,
    }
}

/// Evidence as it comes; what several incidents tell is one piece.
#[derive(Default)]
struct Pool {
    entries: Vec<Entry>,
    places: HashMap<(Option<BootNs>, Source, String, String), usize>,
}

impl Pool {
    /// The place of the entry.
    fn add(&mut self, new: Entry) -> usize {
        let key = (new.at, new.source, new.actor.clone(), new.fact.clone());
        let place = *self.places.entry(key).or_insert(self.entries.len());
        match self.entries.get_mut(place) {
            Some(known) => {
                known.failures.extend(new.failures);
                known.failures.sort_unstable();
                known.failures.dedup();
            }
            None => self.entries.push(new),
        }
        place
    }

    /// The entries in order, and the number of the one at each place.
    fn numbered(self) -> (Vec<Entry>, Vec<usize>) {
        let mut placed: Vec<(usize, Entry)> = self.entries.into_iter().enumerate().collect();
        placed.sort_by_key(|(_, one)| (one.at.is_none(), one.at));
        let origin = placed.first().and_then(|(_, one)| one.at);
        let mut numbers = vec![0; placed.len()];
        for (number, (place, one)) in (1..).zip(&mut placed) {
            one.number = number;
            one.since = one.at.zip(origin).map(|(at, origin)| at.since(origin));
            if let Some(slot) = numbers.get_mut(*place) {
                *slot = number;
            }
        }
        (placed.into_iter().map(|(_, one)| one).collect(), numbers)
    }
}

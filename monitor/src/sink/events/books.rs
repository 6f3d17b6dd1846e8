//! What is to be written when: one event for a container and a pattern, patched as a series, at most every ten minutes each,
//! and within the node's budget. Pure; time comes as a value. What waits is counted up, not queued up.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    budget::Budget,
    note,
    regarding::{Regarding, fnv},
};
use crate::model::{
    container::ContainerId,
    diagnosis::Severity,
    incident::{Entry, Sighting},
    time::BootNs,
};

/// Between two writes for a container and a pattern.
pub(super) const WINDOW: Duration = Duration::from_mins(10);
/// What was not seen for so long is forgotten: the API forgets an event after an hour, unless it is set otherwise.
const FORGET: Duration = Duration::from_hours(1);
/// Containers and patterns that are kept.
const MAX_SERIES: usize = 1_024;
/// Restarts of a container, and subjects, whose counts are kept for one series.
const MAX_LEDGERS: usize = 16;

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) regarding: Regarding,
    pub(super) note: String,
    /// Nanoseconds since 1970: the first occurrence that this event tells of, and the last.
    pub(super) first: BootNs,
    pub(super) last: BootNs,
    /// Occurrences since the event began.
    pub(super) count: u64,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Create(Draft),
    Patch(Draft),
    /// Nothing before that time.
    At(Duration),
    Nothing,
}

/// An occurrence count that an engine's ledger stands at.
#[derive(Debug, PartialEq, Eq)]
struct Ledger {
    container: ContainerId,
    /// Its hash: a subject may be as long as a path.
    subject: u64,
    opened: BootNs,
    count: u64,
}

#[derive(Debug)]
struct Series {
    note: String,
    first: BootNs,
    last: BootNs,
    /// Occurrences since the event began, and how many of them the API knows. With none there is no event.
    seen: u64,
    told: u64,
    /// The earliest next write.
    free: Duration,
    touched: Duration,
    ledgers: VecDeque<Ledger>,
}

impl Series {
    fn is_waiting(&self) -> bool {
        self.seen > self.told
    }

    /// Takes a count in; how far it is ahead of what was known.
    fn enter(&mut self, ledger: Ledger) -> u64 {
        let is_same = |one: &&mut Ledger| {
            one.container == ledger.container && one.subject == ledger.subject && one.opened == ledger.opened
        };
        if let Some(known) = self.ledgers.iter_mut().find(is_same) {
            let ahead = ledger.count.saturating_sub(known.count);
            known.count = known.count.max(ledger.count);
            return ahead;
        }
        if self.ledgers.len() == MAX_LEDGERS {
            self.ledgers.pop_front();
        }
        let ahead = ledger.count;
        self.ledgers.push_back(ledger);
        ahead
    }
}

/// All series of a node.
#[derive(Debug)]
pub(super) struct Books {
    series: BTreeMap<Regarding, Series>,
    budget: Budget,
}

impl Books {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { series: BTreeMap::new(), budget: Budget::new(per_minute) }
    }

    /// Takes a sighting in. Remarks, and containers of no pod, are none of its business; false where there is no room.
    pub(super) fn see(&mut self, now: Duration, sighting: &Sighting) -> bool {
        let (told, Entry { first: opened, last: _, count }) = (&sighting.told, sighting.entry);
        if told.diagnosis.severity == Severity::Info {
            return true;
        }
        let Some(regarding) = Regarding::of(&told.diagnosis, &told.identity) else { return true };
        if !self.series.contains_key(&regarding) && !self.make_room(now) {
            return false;
        }
        let diagnosis = &told.diagnosis;
        let series = self.series.entry(regarding).or_insert_with(|| Series {
            note: String::new(),
            first: diagnosis.last_seen,
            last: diagnosis.last_seen,
            seen: 0,
            told: 0,
            free: now,
            touched: now,
            ledgers: VecDeque::new(),
        });
        let (container, subject) = (diagnosis.container.clone(), fnv(&[&diagnosis.subject]));
        let ahead = series.enter(Ledger { container, subject, opened, count });
        // What an event says cannot be changed any more.
        if series.told == 0 {
            series.note = note::note(diagnosis);
        }
        if ahead > 0 {
            if !series.is_waiting() && series.told == 0 {
                series.first = diagnosis.first_seen;
            }
            series.seen = series.seen.saturating_add(ahead);
            series.last = series.last.max(diagnosis.last_seen);
            series.touched = now;
        }
        true
    }

    /// What is to be done now. A write that it gives out has cost its part of the budget.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        let waiting = self.series.iter().filter(|(_, series)| series.is_waiting());
        let Some((regarding, series)) = waiting.min_by_key(|(_, series)| series.free) else {
            return Next::Nothing;
        };
        if series.free > now {
            return Next::At(series.free);
        }
        if !self.budget.take(now) {
            return Next::At(self.budget.next());
        }
        let draft = Draft {
            regarding: regarding.clone(),
            note: series.note.clone(),
            first: series.first,
            last: series.last,
            count: series.seen,
        };
        if series.told == 0 { Next::Create(draft) } else { Next::Patch(draft) }
    }

    /// The API has taken `draft`.
    pub(super) fn written(&mut self, now: Duration, draft: &Draft) {
        if let Some(series) = self.series.get_mut(&draft.regarding) {
            series.told = draft.count;
            series.free = now + WINDOW;
        }
    }

    /// The API does not take it, or not now: there is no other try before the window is over.
    pub(super) fn put_off(&mut self, now: Duration, draft: &Draft) {
        if let Some(series) = self.series.get_mut(&draft.regarding) {
            series.free = now + WINDOW;
        }
    }

    /// The API has forgotten the event: what it was not told of begins a new one.
    pub(super) fn gone(&mut self, draft: &Draft) {
        if let Some(series) = self.series.get_mut(&draft.regarding) {
            series.seen = series.seen.saturating_sub(series.told);
            series.told = 0;
            series.first = series.last;
        }
    }

    /// The API has the event already, with so many occurrences: an earlier agent made it.
    pub(super) fn adopt(&mut self, draft: &Draft, known: u64) {
        if let Some(series) = self.series.get_mut(&draft.regarding) {
            series.told = known.max(1);
            series.seen = series.seen.saturating_add(series.told);
        }
    }

    /// Series with news that are not told.
    pub(super) fn waiting(&self) -> u64 {
        let waiting = self.series.values().filter(|series| series.is_waiting()).count();
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// Room for one more: what is old goes, then what was told and is quiet for the longest time.
    fn make_room(&mut self, now: Duration) -> bool {
        if self.series.len() < MAX_SERIES {
            return true;
        }
        self.series.retain(|_, series| now.saturating_sub(series.touched) < FORGET);
        if self.series.len() < MAX_SERIES {
            return true;
        }
        let told = self.series.iter().filter(|(_, series)| !series.is_waiting() && series.free <= now);
        let quietest = told.min_by_key(|(_, series)| series.touched).map(|(regarding, _)| regarding.clone());
        quietest.is_some_and(|regarding| self.series.remove(&regarding).is_some())
    }
}

#[cfg(test)]
mod tests;

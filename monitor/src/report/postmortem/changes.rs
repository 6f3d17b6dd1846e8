//! What differs between the runs that a report knows of. Pure; what was not kept is not known, and never taken for the same.

use std::cmp::Reverse;

use super::lineage::{self, Lineage};
use crate::model::{incident::Incident, text::inert, time::BootNs};

/// Containers that are compared at most.
const LIMIT: usize = 20;

/// What there was to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub containers: Vec<Change>,
    /// Containers that there is no room for.
    pub left_out: usize,
}

/// One container name, over the containers that had it one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub container: String,
    /// The earlier run that is compared with; `None` where gomon knows of one alone.
    pub earlier: Option<BootNs>,
    pub latest: BootNs,
    pub rows: Vec<(&'static str, Outcome)>,
}

/// What became of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Changed {
        from: String,
        to: String,
    },
    Same(String),
    /// As it was last; what it was before is not known.
    Only(String),
    /// As it was before; what it is now is not known.
    Before(String),
    Unknown,
}

impl Change {
    /// What is known of one run at least.
    pub fn known(&self) -> impl Iterator<Item = &(&'static str, Outcome)> {
        self.rows.iter().filter(|(_, outcome)| *outcome != Outcome::Unknown)
    }

    /// Names of what is known of none.
    #[must_use]
    pub fn unknown(&self) -> Vec<&'static str> {
        let unknown = self.rows.iter().filter(|(_, outcome)| *outcome == Outcome::Unknown);
        unknown.map(|(what, _)| *what).collect()
    }
}

pub(super) fn of(incidents: &[Incident]) -> Changes {
    let mut names: Vec<Lineage> = incidents.iter().map(Lineage::of).collect();
    names.sort();
    names.dedup();
    let left_out = names.len().saturating_sub(LIMIT);
    let containers = names.iter().take(LIMIT).filter_map(|name| change(name, incidents)).collect();
    Changes { containers, left_out }
}

fn change(name: &Lineage, incidents: &[Incident]) -> Option<Change> {
    let seen = |one: &Incident| one.told.diagnosis.last_seen;
    let container = |one: &Incident| one.told.diagnosis.container.clone();
    let own: Vec<&Incident> = incidents.iter().filter(|one| Lineage::of(one) == *name).collect();
    let latest = own.iter().max_by_key(|one| seen(one))?;
    let earlier = own.iter().filter(|one| container(one) != container(latest)).min_by_key(|one| seen(one));
    let run =
        |of: &Incident| own.iter().copied().filter(|one| container(one) == container(of)).collect::<Vec<_>>();
    let before = earlier.map(|one| values(&run(one)));
    let rows = values(&run(latest)).into_iter().enumerate().map(|(at, (what, now))| {
        let before = before.as_ref().and_then(|all| all.get(at)).and_then(|(_, value)| value.clone());
        (what, outcome(before, now))
    });
    Some(Change {
        container: lineage::named(latest),
        earlier: earlier.map(|one| seen(one)),
        latest: seen(latest),
        rows: rows.collect(),
    })
}

fn outcome(before: Option<String>, now: Option<String>) -> Outcome {
    match (before, now) {
        (Some(from), Some(to)) if from == to => Outcome::Same(to),
        (Some(from), Some(to)) => Outcome::Changed { from, to },
        (None, Some(to)) => Outcome::Only(to),
        (Some(from), None) => Outcome::Before(from),
        (None, None) => Outcome::Unknown,
    }
}

/// What the incidents of one run know of it: what the latest of them knows comes first.
fn values(run: &[&Incident]) -> [(&'static str, Option<String>); 7] {
    let mut latest_first = run.to_vec();
    latest_first.sort_by_key(|one| Reverse(one.told.diagnosis.last_seen));
    let text = |of: fn(&Incident) -> &str| {
        let mut known = latest_first.iter().map(|one| of(one)).filter(|text| !text.is_empty());
        known.next().map(|text| inert(text).into_owned())
    };
    let memory = latest_first.iter().find_map(|one| one.told.facts.memory_limit_bytes);
    [
        ("image", text(|one| &one.told.identity.image)),
        ("entrypoint", text(|one| &one.told.facts.entrypoint)),
        ("Go version", text(|one| &one.told.facts.go_version)),
        ("C library", text(|one| &one.told.facts.libc)),
        ("linkage", text(|one| &one.told.facts.linkage)),
        ("user", text(|one| &one.told.facts.user)),
        ("memory limit", memory.map(|bytes| format!("{bytes} bytes"))),
    ]
}

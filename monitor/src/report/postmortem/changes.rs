//! What differs between the runs that a report knows of. Pure; what was not kept is not known, and never taken for the same.

use super::workload::{self, Workload};
use crate::model::{
    incident::{Facts, Incident},
    text::inert,
    time::BootNs,
};

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
    let mut names: Vec<Workload> = incidents.iter().map(Workload::of).collect();
    names.sort();
    names.dedup();
    let left_out = names.len().saturating_sub(LIMIT);
    let containers = names.iter().take(LIMIT).filter_map(|name| change(name, incidents)).collect();
    Changes { containers, left_out }
}

fn change(name: &Workload, incidents: &[Incident]) -> Option<Change> {
    let own = || incidents.iter().filter(|one| Workload::of(one) == *name);
    let seen = |one: &Incident| one.told.diagnosis.last_seen;
    let latest = own().max_by_key(|one| seen(one))?;
    let is_other = |one: &&Incident| one.told.diagnosis.container != latest.told.diagnosis.container;
    let earlier = own().filter(is_other).min_by_key(|one| seen(one));
    let before = earlier.map(values);
    let rows = values(latest).into_iter().enumerate().map(|(at, (what, now))| {
        let before = before.as_ref().and_then(|all| all.get(at)).and_then(|(_, value)| value.clone());
        (what, outcome(before, now))
    });
    Some(Change {
        container: workload::named(latest),
        earlier: earlier.map(seen),
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

fn values(incident: &Incident) -> [(&'static str, Option<String>); 7] {
    let Facts { entrypoint, go_version, libc, linkage, user, memory_limit_bytes } = &incident.told.facts;
    let known = |text: &str| (!text.is_empty()).then(|| inert(text).into_owned());
    [
        ("image", known(&incident.told.identity.image)),
        ("entrypoint", known(entrypoint)),
        ("Go version", known(go_version)),
        ("C library", known(libc)),
        ("linkage", known(linkage)),
        ("user", known(user)),
        ("memory limit", memory_limit_bytes.map(|bytes| format!("{bytes} bytes"))),
    ]
}

//! A diagnosis that outlives the agent which made it, and how a later sighting joins what is known already. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    container::{CgroupId, ContainerId, Identity},
    diagnosis::{Blindness, Conclusion, Coverage, Diagnosis, Ending, Evidence, Source},
    text::inert,
    time::{BootEpoch, BootNs},
};

/// The times of an incident are nanoseconds since 1970, as one incident may see several boots: its epoch is zero.
pub const EPOCH: BootEpoch = BootEpoch(0);

/// Pieces of evidence with a time that one sighting carries; what is beyond it is counted.
const MAX_TIMELINE: usize = 200;

/// What is worth keeping of a container beside its names. Empty where it is not known. All text is inert.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The command of its configuration, as written.
    pub entrypoint: String,
    pub go_version: String,
    /// `glibc`, `musl` or `none`.
    pub libc: String,
    /// `static`, `dynamic` or `script`.
    pub linkage: String,
    /// `UID:GID` of its first process.
    pub user: String,
    pub memory_limit_bytes: Option<u64>,
}

/// What is told of an incident: the diagnosis as it was last, and what surrounded it. Times since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub diagnosis: Diagnosis,
    pub identity: Identity,
    pub facts: Facts,
    pub ending: Option<Ending>,
    /// What was seen of the container when the diagnosis was made.
    pub coverage: Coverage,
    /// The gomon that made it.
    pub version: String,
}

impl Told {
    /// The same from a file, or from another gomon, of which nobody knows who wrote it.
    #[must_use]
    pub fn made_inert(mut self) -> Self {
        let Diagnosis { pattern, subject, summary, remedy, evidence, consequence_of, .. } =
            &mut self.diagnosis;
        let Facts { entrypoint, go_version, libc, linkage, user, memory_limit_bytes: _ } = &mut self.facts;
        let texts =
            [pattern, subject, summary, entrypoint, go_version, libc, linkage, user, &mut self.version];
        let Identity { name, image, namespace, pod, pod_uid, runtime: _, workload } = &mut self.identity;
        let names = [name, image, namespace, pod, pod_uid];
        let owner = workload.as_mut().map(|workload| &mut workload.name);
        let facts = evidence.iter_mut().map(|one| &mut one.fact);
        let blind =
            self.coverage.blind.iter_mut().flat_map(|Blindness { what, why, patterns }| {
                [what, why].into_iter().chain(patterns.iter_mut())
            });
        let all = texts.into_iter().chain(names).chain(owner).chain(facts).chain(blind).chain(consequence_of);
        for text in all {
            if let Cow::Owned(safe) = inert(text) {
                *text = safe;
            }
        }
        *remedy = remedy.split('\n').map(inert).collect::<Vec<_>>().join("\n");
        self
    }
}

/// An incident as a store gives it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Short, for ever the same, and safe in a URL.
    pub id: String,
    pub told: Told,
    /// Evidence with a time, over all occurrences, the oldest first. Empty where only the outline was asked for.
    pub timeline: Vec<Evidence>,
    /// Pieces of evidence that the timeline has no room for.
    pub timeline_dropped: u64,
}

/// One life of an agent: its ledger counts from one again in the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `/proc/sys/kernel/random/boot_id`: times since boot compare within one boot only.
    pub boot: String,
    pub started: BootNs,
}

/// Where the ledger of a session stands with a diagnosis. Times since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub first: BootNs,
    pub last: BootNs,
    pub count: u64,
}

/// A diagnosis as the engine has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub told: Told,
    pub entry: Entry,
    /// The run in which it occurred last.
    pub cgroup: CgroupId,
    /// The occurrence that opened the entry is an event of the kernel's, not a condition that stands.
    pub opened_by_event: bool,
    pub timeline: Vec<Evidence>,
    pub timeline_dropped: u64,
}

impl Sighting {
    /// `diagnosis` is one of `conclusion`; their times count from `epoch`.
    #[must_use]
    pub fn new(
        conclusion: &Conclusion,
        diagnosis: &Diagnosis,
        facts: Facts,
        cgroup: CgroupId,
        epoch: BootEpoch,
        version: &str,
    ) -> Self {
        let Diagnosis { first_seen, last_seen, count, .. } = *diagnosis;
        let is_event = |one: &Evidence| one.source == Source::Kernel && one.at == Some(last_seen);
        let opened_by_event = diagnosis.evidence.iter().any(is_event);
        let diagnosis = since_1970(diagnosis, epoch);
        let mut coverage = conclusion.coverage.clone();
        coverage.from = absolute(coverage.from, epoch);
        coverage.to = absolute(coverage.to, epoch);
        let ending = conclusion
            .ending
            .clone()
            .map(|ending| Ending { at: ending.at.map(|at| absolute(at, epoch)), ..ending });
        let timeline = diagnosis.evidence.iter().filter(|one| one.at.is_some()).cloned().collect();
        let identity = conclusion.identity.clone();
        Self {
            told: Told { diagnosis, identity, facts, ending, coverage, version: version.to_owned() },
            entry: Entry { first: first_seen, last: last_seen, count },
            cgroup,
            opened_by_event,
            timeline,
            timeline_dropped: 0,
        }
    }

    /// What tells it from others: container, pattern and subject, and the entry of the ledger.
    #[must_use]
    pub fn key(&self) -> (ContainerId, String, String, BootNs) {
        let Diagnosis { container, pattern, subject, .. } = &self.told.diagnosis;
        (container.clone(), pattern.clone(), subject.clone(), self.entry.first)
    }

    /// Takes a later sighting of the same entry in: nothing of the earlier one was written yet.
    pub fn absorb(&mut self, later: Self) {
        for one in later.timeline {
            if self.timeline.contains(&one) {
                continue;
            }
            if self.timeline.len() < MAX_TIMELINE {
                self.timeline.push(one);
            } else {
                self.timeline_dropped += 1;
            }
        }
        self.timeline_dropped += later.timeline_dropped;
        if later.entry.count >= self.entry.count {
            (self.told, self.entry, self.cgroup) = (later.told, later.entry, later.cgroup);
        }
    }
}

/// What a store remembers so that nothing is counted twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    boot: String,
    session: BootNs,
    /// The entry of that session's ledger, by its first occurrence.
    entry: BootNs,
    /// Occurrences that the entry does not count.
    base: u64,
    cgroup: CgroupId,
    /// The last occurrence, since boot.
    last: BootNs,
}

/// An incident as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub told: Told,
    pub mark: Mark,
}

/// What is to be kept now that `seen` was sighted. Joining the same sighting once more changes nothing.
#[must_use]
pub fn join(known: Option<Kept>, seen: &Sighting, session: &Session) -> Kept {
    let Entry { first, last, count } = seen.entry;
    let mark = |base, last| Mark {
        boot: session.boot.clone(),
        session: session.started,
        entry: first,
        base,
        cgroup: seen.cgroup,
        last,
    };
    let Some(Kept { told, mark: before }) = known else {
        return Kept { told: seen.told.clone(), mark: mark(0, last) };
    };
    let is_same_boot = before.boot == session.boot;
    let is_continued = is_same_boot && before.session == session.started && before.entry == first;
    let counted = told.diagnosis.count;
    let base = if is_continued {
        before.base
    } else {
        counted.saturating_sub(u64::from(is_known(&before, seen, is_same_boot)))
    };
    let total = base.saturating_add(count).max(counted);
    let grew = total > counted;
    let is_better = is_continued && seen.told.diagnosis.confidence >= told.diagnosis.confidence;
    let last = match (grew, is_same_boot) {
        (true, true) => before.last.max(last),
        (true, false) => last,
        (false, _) => before.last,
    };
    let (first_seen, last_seen) = (told.diagnosis.first_seen, told.diagnosis.last_seen);
    let mut now = if grew || is_better { seen.told.clone() } else { told };
    now.diagnosis.first_seen = first_seen;
    now.diagnosis.last_seen = if grew { last_seen.max(seen.told.diagnosis.last_seen) } else { last_seen };
    now.diagnosis.count = total;
    Kept { told: now, mark: mark(base, last) }
}

/// Whether the occurrence that opened the entry was counted by an earlier session: an agent that finds a running
/// container looks at it anew, and finds the same condition again.
fn is_known(before: &Mark, seen: &Sighting, is_same_boot: bool) -> bool {
    if !is_same_boot {
        return false;
    }
    let is_condition = seen.cgroup == before.cgroup && !seen.opened_by_event;
    seen.entry.first <= before.last || is_condition
}

fn absolute(at: BootNs, epoch: BootEpoch) -> BootNs {
    let nanos = i128::from(epoch.0) + i128::from(at.0);
    BootNs(u64::try_from(nanos).unwrap_or(0))
}

fn since_1970(diagnosis: &Diagnosis, epoch: BootEpoch) -> Diagnosis {
    let mut diagnosis = diagnosis.clone();
    diagnosis.first_seen = absolute(diagnosis.first_seen, epoch);
    diagnosis.last_seen = absolute(diagnosis.last_seen, epoch);
    for one in &mut diagnosis.evidence {
        one.at = one.at.map(|at| absolute(at, epoch));
    }
    diagnosis
}

#[cfg(test)]
mod tests;

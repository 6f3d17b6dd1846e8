//! The sentences of a report. Pure; each says what fields of the incidents say, and names what gomon does not know.

use std::collections::BTreeSet;

use super::{
    causes::{Cause, Failure},
    evidence::Timeline,
};
use crate::{
    model::{
        diagnosis::{Confidence, Source},
        incident::EPOCH,
        text::inert_short,
        time::BootNs,
    },
    report::{columns::ended, duration::human},
};

/// Causes that the summary names one by one.
const NAMED: usize = 8;

/// Characters of each in the title: those of the catalogue have fewer.
const LONGEST_PATTERN: usize = 60;
/// Patterns that the title names.
const NAMED_IN_TITLE: usize = 3;

/// What "cannot tell" means, wherever it stands.
pub const CANNOT_TELL: &str = "\"Cannot tell\" means: these patterns rest on something that was not seen. That they are not named \
     here says nothing about whether they were there.";

pub(super) fn title(causes: &[Cause]) -> String {
    let distinct =
        |name: fn(&Failure) -> &str| causes.iter().map(|one| name(&one.failure)).collect::<BTreeSet<_>>();
    let patterns: Vec<&str> = distinct(|one| &one.pattern).into_iter().collect();
    let containers: Vec<&str> = distinct(|one| &one.container).into_iter().collect();
    let pods: BTreeSet<Option<&str>> = causes.iter().map(|one| one.failure.pod.as_deref()).collect();
    let pods: Vec<Option<&str>> = pods.into_iter().collect();
    let what = if patterns.len() > NAMED_IN_TITLE {
        format!("{} failures", causes.len())
    } else {
        patterns.iter().map(|one| inert_short(one, LONGEST_PATTERN)).collect::<Vec<_>>().join(", ")
    };
    match (containers.as_slice(), pods.as_slice()) {
        ([container], _) => format!("{what} in {container}"),
        (_, [Some(pod)]) => format!("{what} in {pod}"),
        (containers, _) => format!("{what} in {} containers", containers.len()),
    }
}

pub(super) fn summary(causes: &[Cause], remarks: &[Cause]) -> Vec<String> {
    let mut said = Vec::new();
    let containers: BTreeSet<&str> = causes.iter().map(|one| &*one.failure.container).collect();
    let has_several = containers.len() > 1;
    for Cause { failure, consequences } in causes.iter().take(NAMED) {
        let who = if has_several { format!("{}: ", failure.container) } else { String::new() };
        let about =
            patterns(consequences).map_or_else(String::new, |list| format!(" It brought about {list}."));
        said.push(format!("{who}{} {}{about}", closed(&failure.summary), occurrences(failure)));
    }
    if let Some(more) = causes.len().checked_sub(NAMED).filter(|more| *more > 0) {
        said.push(format!(
            "{} below.",
            plural(more as u64, "further failure stands", "further failures stand")
        ));
    }
    if !remarks.is_empty() {
        said.push(format!("{} beside that.", plural(remarks.len() as u64, "remark stands", "remarks stand")));
    }
    said
}

pub(super) fn impact(causes: &[Cause]) -> Vec<String> {
    let mut said = Vec::new();
    let mut told = BTreeSet::new();
    for failure in causes.iter().map(|one| &one.failure) {
        if !told.insert(&failure.container) {
            continue;
        }
        let own: Vec<&Failure> = causes
            .iter()
            .flat_map(|one| std::iter::once(&one.failure).chain(&one.consequences))
            .filter(|one| one.container == failure.container)
            .collect();
        let first = own.iter().map(|one| one.first).min().unwrap_or(failure.first);
        let last = own.iter().map(|one| one.last).max().unwrap_or(failure.last);
        let ids: BTreeSet<&String> = own.iter().flat_map(|one| &one.container_ids).collect();
        let image = if failure.image.is_empty() { String::new() } else { format!(" ({})", failure.image) };
        let made = match ids.len() {
            0 | 1 => String::new(),
            several => format!(", in {several} containers of that name, one after the other"),
        };
        let latest = own.iter().max_by_key(|one| one.last);
        let end = match latest.and_then(|one| one.ending.as_ref()) {
            Some(ending) => format!("had ended: {}", ended(ending, EPOCH)),
            None => "had not ended, or gomon did not see it end".to_owned(),
        };
        said.push(format!(
            "{}{image} was affected {}{made}. When it was told last, its first process {end}.",
            failure.container,
            span(first, last)
        ));
    }
    said.push("gomon sees containers, and neither users nor requests.".to_owned());
    said
}

pub(super) fn trigger(causes: &[Cause], timeline: &Timeline) -> Vec<String> {
    let mut said = Vec::new();
    for failure in causes.iter().map(|one| &one.failure) {
        let first = timeline.timed().find(|one| one.failures.contains(&failure.number));
        let sentence = match first.and_then(|one| Some((one, one.at?))) {
            Some((one, at)) => {
                format!(
                    "F{}: the first that gomon has of it is E{}, at {}: {}",
                    failure.number,
                    one.number,
                    utc(at),
                    closed(&one.fact)
                )
            }
            None => format!(
                "F{}: not known to gomon. It stood already when gomon looked, at {} for the first time.",
                failure.number,
                utc(failure.first)
            ),
        };
        said.push(sentence);
    }
    said.push(
        "What led to that before (a deployment, a change of configuration, load) is not known to gomon."
            .to_owned(),
    );
    said
}

pub(super) fn detection(causes: &[Cause], timeline: &Timeline) -> Vec<String> {
    let mut said = Vec::new();
    for failure in causes.iter().map(|one| &one.failure) {
        let of = |source: &&Source| {
            let pieces = timeline.entries.iter().filter(|one| one.source == **source);
            pieces.filter(|one| one.failures.contains(&failure.number)).count()
        };
        let sources: Vec<String> = Source::ALL
            .iter()
            .filter(|source| of(source) > 0)
            .map(|source| format!("{} ({})", source.name(), of(&source)))
            .collect();
        let evidence =
            if sources.is_empty() { "no evidence that is kept".to_owned() } else { sources.join(", ") };
        let version =
            if failure.version.is_empty() { String::new() } else { format!(" {}", failure.version) };
        let start = if failure.attached_before_start {
            "was watching before the container's first process started"
        } else {
            "did not see the container's first process start"
        };
        said.push(format!("F{}: gomon{version} {start}. Evidence: {evidence}.", failure.number));
    }
    said.push("When people learned of it is not known to gomon.".to_owned());
    said
}

/// How often, and when.
pub(super) fn occurrences(failure: &Failure) -> String {
    match failure.count {
        0 | 1 => format!("It occurred once, at {}.", utc(failure.first)),
        count => format!("It occurred {count} times {}.", span(failure.first, failure.last)),
    }
}

/// How sure gomon is, and why.
pub(super) fn sure(confidence: Confidence) -> String {
    format!("{confidence}: {}", crate::report::columns::meaning(confidence))
}

pub(super) fn utc(at: BootNs) -> String {
    EPOCH.rfc3339(at)
}

fn span(first: BootNs, last: BootNs) -> String {
    if first >= last {
        return format!("at {}", utc(first));
    }
    format!("from {} to {}, within {}", utc(first), utc(last), human(last.since(first)))
}

fn patterns(failures: &[Failure]) -> Option<String> {
    let names: BTreeSet<&str> = failures.iter().map(|one| &*one.pattern).collect();
    let names: Vec<&str> = names.into_iter().collect();
    (!names.is_empty()).then(|| names.join(", "))
}

pub(super) fn plural(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// With the full stop that a sentence has and a fact often lacks.
fn closed(sentence: &str) -> String {
    let sentence = sentence.trim_end();
    if sentence.ends_with(['.', '!', '?', '…']) { sentence.to_owned() } else { format!("{sentence}.") }
}

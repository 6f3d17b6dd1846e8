//! A running program could not load a shared library: names the library, or the one that this needs in turn.

use std::collections::BTreeMap;

use monitor_common::probe::Probe;

use super::{
    Need, Pattern,
    aftermath::{Aftermath, is_settled},
    start::ended,
    wording::{kernel, program, some_of},
};
use crate::{
    case::{Case, DlopenSeen, Process},
    model::{
        diagnosis::{Confidence, Finding, Severity},
        text::inert,
        time::BootNs,
    },
};

mod cause;

use cause::{Cause, file_name, stem};

/// Asks whether a library is loaded already; no is an answer (dlopen(3)).
const RTLD_NOLOAD: u32 = 4;
/// Candidates that are named one by one.
const MAX_NAMED: usize = 4;

pub(super) const PATTERN: Pattern = Pattern {
    id: "dlopen-failed",
    severity: Severity::Warning,
    title: "A running program could not load a shared library",
    symptom: "Whatever the program makes of dlerror(3): `libbar.so: cannot open shared object file: No such file or \
        directory`, `undefined symbol: ...`; on musl `Error loading shared library libbar.so: No such file or directory \
        (needed by /libs/libfoo.so)`. Often a feature is missing and nothing else.",
    evidence: "`dlopen` or `dlmopen` of the container's own C library returned NULL; the opens around the call say what was \
        missing. Where the library's own file was opened and another name then failed everywhere, that dependency is \
        named (high). Otherwise the call failed for certain, and whether it matters only the program knows (medium; high \
        if the program ends in failure within a second).",
    look_alikes: "- A chain of candidates (`libfoo.so.2`, `libfoo.so.1`, `libfoo.so`) of which a later one works: info.\n\
        - A library that is optional looks the same as one that is needed: confidence medium.\n\
        - `RTLD_NOLOAD` only asks whether it is loaded: ignored.\n\
        - Dozens of failed opens before a success are an ordinary search: no call failed.\n\
        - A library that is missing at the start: `missing-library`, exit code 127.\n\
        - A program that is not Go and goes on, and a command from outside: info.",
    remedy: "Install or copy the library and what it needs in turn. Where it is optional, nothing.",
    limits: "What libc loads for itself (NSS modules, character sets) does not go through `dlopen`. A symbol that is missing \
        fails no open: its name is known to the program alone. A static program has no `dlopen`.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::DlopenFailed), Need::Probe(Probe::Open), Need::Dlopen],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.processes().flat_map(|process| find(case, process)).collect()
}

/// One finding for all candidates of one library.
fn find(case: &Case, process: &Process) -> Vec<Finding> {
    let mut by_stem: BTreeMap<&str, Vec<&DlopenSeen>> = BTreeMap::new();
    for failed in process.dlopens.iter().filter(|failed| failed.flags & RTLD_NOLOAD == 0) {
        by_stem.entry(stem(&failed.name)).or_default().push(failed);
    }
    by_stem.values().filter_map(|failed| judge(case, process, failed)).collect()
}

fn judge(case: &Case, process: &Process, failed: &[&DlopenSeen]) -> Option<Finding> {
    let (first, last) = (failed.iter().map(|one| one.at).min()?, failed.iter().map(|one| one.last_at).max()?);
    if !is_settled(case, process, last) {
        return None;
    }
    if let Some(path) = fallback(process, failed) {
        return Some(chain(process, failed.first()?, path, first));
    }
    let awaited = |one: &&DlopenSeen| {
        let search = process.libraries.get(file_name(&one.name));
        search.and_then(|search| search.opened.as_deref()).is_some_and(|path| case.is_awaited(path))
    };
    if failed.iter().any(awaited) {
        return None;
    }
    let reasons = failed.iter().map(|one| (*one, Cause::of(case, process, one)));
    let (one, reason) = reasons.max_by_key(|(_, reason)| reason.weight())?;
    let after = Aftermath::of(case, process, last);
    let name = program(process);
    let mut evidence =
        vec![kernel(one.at, format!("dlopen(\"{}\") in {name} returned NULL", inert(&one.name)))];
    let others: Vec<&str> =
        failed.iter().filter(|other| other.name != one.name).map(|other| other.name.as_str()).collect();
    if !others.is_empty() {
        let fact = format!("the same library by other names, in vain too: {}", some_of(&others, MAX_NAMED));
        evidence.push(kernel(first, fact));
    }
    evidence.extend(reason.evidence(case, one));
    evidence.extend(after.exit().map(|exit| ended(exit, if after.is_container() { "PID 1" } else { "it" })));
    let is_judged = case.is_go(process) || after != Aftermath::WentOn;
    Some(Finding {
        severity: if is_judged && !case.is_from_outside(process) {
            Severity::Warning
        } else {
            Severity::Info
        },
        confidence: if reason.has_file() || after != Aftermath::WentOn {
            Confidence::High
        } else {
            Confidence::Medium
        },
        subject: reason.subject(&one.name),
        summary: format!(
            "{name} could not load {}: {}{}",
            inert(&one.name),
            reason.says(&one.name),
            after.says()
        ),
        evidence,
        remedy: reason.remedy(case, &one.name),
        at: first,
    })
}

/// Where another candidate for the same library was found and did not fail.
fn fallback<'a>(process: &'a Process, failed: &[&DlopenSeen]) -> Option<&'a str> {
    let wanted = stem(&failed.first()?.name);
    process.libraries.iter().filter(|(name, _)| stem(name) == wanted).find_map(|(name, search)| {
        let last_failure =
            failed.iter().filter(|one| file_name(&one.name) == name).map(|one| one.last_at).max();
        let works = last_failure.is_none_or(|at| search.last_at > at);
        search.opened.as_deref().filter(|_| works)
    })
}

fn chain(process: &Process, failed: &DlopenSeen, path: &str, at: BootNs) -> Finding {
    let (name, asked, path) = (program(process), inert(&failed.name), inert(path));
    Finding {
        severity: Severity::Info,
        confidence: Confidence::High,
        subject: inert(file_name(&failed.name)).into_owned(),
        summary: format!("{name} could not load {asked}, and went on with {path}"),
        evidence: vec![
            kernel(failed.at, format!("dlopen(\"{asked}\") in {name} returned NULL")),
            kernel(failed.at, format!("{path}, a candidate for the same library, was opened")),
        ],
        remedy: format!("# nothing is broken; to spare the search, ask for what the image has\n# {path}"),
        at,
    }
}

#[cfg(test)]
mod tests;

//! A Go program finds the data of a time zone in none of the places where it looks, because the image has no such data.

use std::collections::BTreeMap;

use monitor_common::{path::PathClass, probe::Probe};

use super::{
    Need, Pattern,
    wording::{self, config, counted, files, kernel, program, some_of},
};
use crate::{
    case::{Case, OpenSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Finding, Severity},
        errno::Errno,
        fact::Want,
        text::inert,
    },
};

/// Where Go looks, in its order (`time/zoneinfo_unix.go`).
const PLACES: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"];
/// The first three settle that it was Go's search and that it failed.
const ENOUGH: usize = 3;
/// Go has them in the program with this package.
const EMBEDDED: &str = "time/tzdata";
/// Zones that are named one by one.
const MAX_NAMED: usize = 3;

pub(super) const PATTERN: Pattern = Pattern {
    id: "timezone-data-missing",
    severity: Severity::Warning,
    title: "The image has no time-zone data",
    symptom: "`unknown time zone Europe/Berlin` from `time.LoadLocation`. With the variable TZ there is no message at all: \
        local times are UTC.",
    evidence: "A Go process looks for one zone in `/usr/share/zoneinfo`, `/usr/share/lib/zoneinfo` and \
        `/usr/lib/locale/TZ`, and every open fails with ENOENT; `/usr/share/zoneinfo` does not exist. Certain if \
        `/etc/zoneinfo` was tried too and the program does not contain the package `time/tzdata`, high if one of these is \
        not known.",
    look_alikes: "- `time/tzdata` in the program: the same opens fail and the zone is found; no finding.\n\
        - `/usr/share/zoneinfo` is there: the name of the zone is wrong, or a single file is missing; no finding.\n\
        - TZ is not set: only `/etc/localtime` is missing, and UTC is meant; ignored.\n\
        - `TZ=UTC` needs no file: no open.\n\
        - A program that was built in the same image finds the toolchain's `lib/time/zoneinfo.zip` there: no finding.\n\
        - A later place has the zone: found, no finding.",
    remedy: "`import _ \"time/tzdata\"` or `-tags timetzdata` (450 kB), or install `tzdata`, or copy `/usr/share/zoneinfo`.",
    limits: "Without any data nobody can tell a zone that is spelt wrongly. Programs that are not Go are not judged.",
    brought_about_by: &[],
    needs: &[Need::Probe(Probe::Open), Need::Probe(Probe::Exec)],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    case.processes().filter_map(|process| find(case, process)).collect()
}

fn find(case: &Case, process: &Process) -> Option<Finding> {
    process.go_started?;
    let program_path = &process.program.as_ref()?.interpreter;
    let archive = case.zone_archive();
    let is_awaited = [PLACES[0], &archive].into_iter().any(|path| case.is_awaited(path))
        || case.awaits(&Want::Linked(program_path.clone()));
    let is_absent = |path: &str| case.file(path).map(|file| file.present().is_none());
    if is_awaited || is_absent(PLACES[0]) != Some(true) || is_absent(&archive) == Some(false) {
        return None;
    }
    let is_embedded = case.is_linked(program_path, EMBEDDED);
    if is_embedded == Some(true) {
        return None;
    }
    let variable = named_by_variable(case);
    let zones = unknown_zones(process, variable);
    let (first, opens) = zones.first()?;
    let at = opens.first()?.at;
    // Older versions of Go do not look in the last place; in newer ones the zone may have been found there.
    let is_whole = opens.len() >= PLACES.len() || is_path(variable, first);
    let is_certain = is_embedded.is_some() && is_absent(&archive).is_some() && is_whole;
    let all: Vec<&str> = zones.iter().map(|(zone, _)| *zone).collect();
    let falls_back = variable.is_some_and(|variable| all.iter().any(|zone| is_same(zone, variable)));
    let (of_variable, consequence) =
        if falls_back { (" of TZ", ", and local times are in UTC without a word") } else { ("", "") };
    Some(Finding {
        severity: if case.is_from_outside(process) { Severity::Info } else { Severity::Warning },
        confidence: if is_certain { Confidence::Certain } else { Confidence::High },
        subject: "time-zone data".to_owned(),
        summary: format!(
            "{} cannot load time zone {}{of_variable}: the image has no time-zone data{consequence}",
            program(process),
            some_of(&all, MAX_NAMED)
        ),
        evidence: evidence(
            case,
            process,
            (first, opens),
            is_embedded.is_some(),
            variable.filter(|_| falls_back),
        ),
        remedy: remedy(case),
        at,
    })
}

/// The zones that were looked for in vain, in the order in which the search began.
fn unknown_zones<'a>(process: &'a Process, variable: Option<&str>) -> Vec<(&'a str, Vec<&'a OpenSeen>)> {
    let mut by_zone: BTreeMap<&str, Vec<&OpenSeen>> = BTreeMap::new();
    let missed = |open: &&OpenSeen| open.class == PathClass::TimeZone && open.result == Err(Errno::ENOENT);
    for open in process.opens.iter().filter(missed) {
        if let Some((_, zone)) = split(&open.path) {
            by_zone.entry(zone).or_default().push(open);
        }
    }
    let is_whole_search = |zone: &str, opens: &[&OpenSeen]| {
        let tried =
            |place: &&&str| opens.iter().any(|open| split(&open.path).is_some_and(|(p, _)| p == **place));
        is_path(variable, zone) || PLACES.iter().take(ENOUGH).filter(tried).count() == ENOUGH
    };
    let mut zones: Vec<_> =
        by_zone.into_iter().filter(|(zone, opens)| is_whole_search(zone, opens)).collect();
    zones.sort_by_key(|(_, opens)| opens.iter().map(|open| open.at).min());
    zones
}

/// The place and the zone of a path: Go writes two slashes between them.
fn split(path: &str) -> Option<(&'static str, &str)> {
    PLACES.into_iter().find_map(|place| {
        let zone = path.strip_prefix(place)?.trim_start_matches('/');
        (!zone.is_empty() && path.as_bytes().get(place.len()) == Some(&b'/')).then_some((place, zone))
    })
}

/// TZ gives an absolute path: it is asked for alone.
fn is_path(variable: Option<&str>, zone: &str) -> bool {
    variable.is_some_and(|variable| variable.starts_with('/') && is_same(zone, variable))
}

/// What TZ says, without the colon of POSIX.
fn named_by_variable(case: &Case) -> Option<&str> {
    let value = case.config.get()?.env.get("TZ")?;
    Some(value.strip_prefix(':').unwrap_or(value)).filter(|value| !value.is_empty())
}

/// The variable names the zone, or the path of its file.
fn is_same(zone: &str, variable: &str) -> bool {
    variable == zone || split(variable).is_some_and(|(_, of_path)| of_path == zone)
}

fn evidence(
    case: &Case,
    process: &Process,
    (zone, opens): (&str, &[&OpenSeen]),
    lacks_package: bool,
    variable: Option<&str>,
) -> Vec<Evidence> {
    let places: Vec<&str> = opens.iter().map(|open| open.path.as_str()).collect();
    let mut all: Vec<Evidence> = opens
        .first()
        .map(|first| {
            let count = counted(u64::try_from(places.len()).unwrap_or(u64::MAX), "place", "places");
            let fact = format!(
                "{} looked for time zone {} in {count}, in vain (ENOENT): {}",
                program(process),
                inert(zone),
                some_of(&places, PLACES.len())
            );
            kernel(first.at, fact)
        })
        .into_iter()
        .collect();
    all.push(files(format!("there is no {} in the container", PLACES[0])));
    if lacks_package {
        all.push(files(format!("{} does not contain the package {EMBEDDED}", program(process))));
    }
    all.extend(
        variable.and_then(|_| case.config.get()?.env.get("TZ")).map(|tz| config(format!("TZ={}", inert(tz)))),
    );
    all
}

fn remedy(case: &Case) -> String {
    let in_program = "RUN CGO_ENABLED=0 go build -tags timetzdata -o /out/app .   # in the build stage: brings the data along";
    let in_image = if matches!(case.libc.get(), Some(Some(_))) {
        wording::install(&case.libc, "tzdata")
    } else {
        "COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo   # where the build stage has tzdata"
            .to_owned()
    };
    format!("{in_program}\n# or in the image\n{in_image}")
}

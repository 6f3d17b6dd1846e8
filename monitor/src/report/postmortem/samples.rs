//! Incidents for the tests of reports. Pure values.

use crate::{
    model::{
        container::{CgroupId, ContainerId},
        diagnosis::{Blindness, Confidence, Coverage, Diagnosis, Evidence, Severity, Source},
        incident::{Facts, Incident, Sighting},
        time::{BootNs, MS},
    },
    report::samples::{self as conclusions, EPOCH},
};

pub(crate) fn scope() -> super::Scope {
    super::Scope {
        asked: "pod api-7d9f".to_owned(),
        total: 4,
        made: "2023-11-15T08:00:00Z".parse().unwrap(),
        version: "1.2.3".to_owned(),
    }
}

/// The incident of a run that began so many seconds after the first, of the image with this tag.
pub(crate) fn run(number: u64, tag: &str, diagnosis: Diagnosis) -> Incident {
    let mut conclusion = conclusions::finding();
    conclusion.identity.image = format!("registry.example/shop/api:{tag}");
    conclusion.container = ContainerId(format!("{number}f2a9c1d4e5b").repeat(5).into());
    let (coverage, later) = (&mut conclusion.coverage, number * 60_000 * MS);
    (coverage.from, coverage.to) = (coverage.from.later(later), coverage.to.later(later));
    let ending = conclusion.ending.as_mut().unwrap();
    ending.at = ending.at.map(|at| at.later(later));
    let mut diagnosis = Diagnosis { container: conclusion.container.clone(), ..diagnosis };
    diagnosis.first_seen = diagnosis.first_seen.later(later);
    diagnosis.last_seen = diagnosis.first_seen;
    for one in &mut diagnosis.evidence {
        one.at = one.at.map(|at| at.later(later));
    }
    let facts =
        Facts { entrypoint: "/app/server".to_owned(), go_version: format!("go{tag}"), ..Facts::default() };
    let seen = Sighting::new(&conclusion, &diagnosis, facts, CgroupId(number), EPOCH, "1.2.3");
    let id = format!("{}{number:02}", &diagnosis.pattern[..4]);
    Incident { id, told: seen.told, timeline: seen.timeline, timeline_dropped: 0 }
}

/// What the missing interpreter brings about.
pub(crate) fn consequence() -> Diagnosis {
    let fact = "health check \"/app/server ping\" failed with ENOENT".to_owned();
    Diagnosis {
        pattern: "healthcheck-tool-missing".to_owned(),
        severity: Severity::Warning,
        confidence: Confidence::High,
        subject: "/app/server".to_owned(),
        summary: "the health check cannot run".to_owned(),
        evidence: vec![Evidence { at: Some(BootNs(1_700 * MS)), source: Source::Runtime, fact }],
        remedy: "# comes with the cause".to_owned(),
        consequence_of: Some("missing-interpreter".to_owned()),
        ..conclusions::diagnosis()
    }
}

/// Two runs of one container of a pod, a consequence in the second, and what could not be seen of it.
pub(crate) fn incidents() -> Vec<Incident> {
    let mut consequence = run(2, "1.5", consequence());
    let blind = Blindness {
        what: "probe oom_kill".to_owned(),
        why: "the tracepoint oom/mark_victim is missing".to_owned(),
        patterns: vec!["oom-kill".to_owned()],
    };
    consequence.told.coverage =
        Coverage { events_lost: 7, blind: vec![blind], ..consequence.told.coverage.clone() };
    let cause = || Diagnosis { count: 1, ..conclusions::diagnosis() };
    vec![consequence, run(2, "1.5", cause()), run(1, "1.4", cause())]
}

//! What a report says, and that it says nothing else.

mod pages;

use serde_json::{Value, json};

use super::{samples, *};
use crate::{
    model::{
        diagnosis::{Diagnosis, Evidence, Source},
        time::MS,
    },
    report::{samples as conclusions, schema},
};

fn report() -> Postmortem {
    Postmortem::new(&samples::incidents(), samples::scope()).unwrap()
}

#[test]
fn runs_of_one_container_are_one_failure_and_a_consequence_stands_under_its_cause() {
    let report = report();
    let [cause] = &report.causes[..] else { panic!("{:?}", report.causes) };
    assert_eq!(
        (cause.failure.number, &*cause.failure.pattern, cause.failure.count),
        (1, "missing-interpreter", 2)
    );
    assert_eq!(cause.failure.incidents, ["miss01", "miss02"]);
    let [consequence] = &cause.consequences[..] else { panic!("{:?}", cause.consequences) };
    assert_eq!((consequence.number, &*consequence.pattern), (2, "healthcheck-tool-missing"));
    assert_eq!(report.title, "missing-interpreter in shop/api-7d9f/api");
}

#[test]
fn evidence_is_numbered_in_the_order_of_time_and_told_once() {
    let report = report();
    let told: Vec<(usize, &str, &[usize])> =
        report.timeline.entries.iter().map(|one| (one.number, &one.fact[..10], &one.failures[..])).collect();
    let (exec, exit) = ("execve(\"/a", "the proces");
    assert_eq!(
        told,
        [
            (1, exec, &[1][..]),
            (2, exit, &[1]),
            (3, exec, &[1]),
            (4, exit, &[1]),
            (5, "health che", &[2]),
            (6, "PT_INTERP ", &[1])
        ]
    );
    assert_eq!(report.causes[0].failure.evidence, [3, 4, 6]);
    assert_eq!(report.timeline.entries[2].since, Some(60_000 * MS));
    assert_eq!(report.timeline.entries[5].since, None);
    let again =
        Postmortem::new(&samples::incidents().into_iter().rev().collect::<Vec<_>>(), samples::scope());
    assert_eq!(again.unwrap(), report, "whatever the order of the incidents");
}

#[test]
fn what_differs_between_runs_is_told_and_what_was_not_kept_is_not_known() {
    let report = report();
    let [change] = &report.changes.containers[..] else { panic!("{:?}", report.changes) };
    let outcome = |what: &str| change.rows.iter().find(|(name, _)| *name == what).unwrap().1.clone();
    let image = |tag: &str| format!("registry.example/shop/api:{tag}");
    assert_eq!(outcome("image"), Outcome::Changed { from: image("1.4"), to: image("1.5") });
    assert_eq!(outcome("entrypoint"), Outcome::Same("/app/server".to_owned()));
    assert_eq!(outcome("user"), Outcome::Unknown);
    let one = Postmortem::new(&samples::incidents()[1..2], samples::scope()).unwrap();
    let page = super::markdown(&one);
    assert!(page.contains("| image | not known to gomon | `registry.example/shop/api:1.5` |"), "{page}");
}

#[test]
fn a_report_fits_the_published_schema_and_has_every_place_for_people_empty() {
    let report = report();
    let root: Value = serde_json::from_str(SCHEMA).unwrap();
    let value = serde_json::to_value(Document::new(&report)).unwrap();
    assert_eq!(schema::faults(&root, &value), Vec::<String>::new());
    let human = value["human"].as_object().unwrap();
    assert!(human.values().all(|one| one.is_null() || *one == json!([])), "{human:?}");
    let names: Vec<&String> = human.keys().collect();
    let known = root.pointer("/properties/human/properties").unwrap().as_object().unwrap();
    assert_eq!(names, known.keys().collect::<Vec<_>>());
    assert_eq!(value["coverage"][1]["cannot_tell"], json!(["oom-kill"]));
    let mut wrong = value;
    wrong["causes"][0]["surprise"] = Value::Null;
    wrong["timeline"]["entries"][0]["id"] = Value::Null;
    assert_eq!(schema::faults(&root, &wrong).len(), 2);
}

#[test]
fn the_page_has_every_section_its_evidence_and_places_for_people() {
    let page = super::markdown(&report());
    for part in [
        "# Postmortem: missing-interpreter in shop/api-7d9f/api\n",
        "- Severity: **error**\n",
        "\n## Summary\n\n- /app/server exists, but the loader that it names does not. It occurred 2 times from \
         2023-11-14T22:14:21.500Z to 2023-11-14T22:15:21.500Z, within 1 min. It brought about \
         healthcheck-tool-missing.\n",
        "\n## Impact\n\n- shop/api-7d9f/api (registry.example/shop/api:1.5) was affected",
        "in 2 containers of that name, one after the other.",
        "\n**To fill in** (Customer impact): _Who noticed what",
        "- F1: the first that gomon has of it is E1, at 2023-11-14T22:14:21.500Z: execve",
        "\n### F1: missing-interpreter in shop/api-7d9f/api (error)\n",
        "\n#### F2: healthcheck-tool-missing in shop/api-7d9f/api (warning)\n",
        "- Consequence of: missing-interpreter\n",
        "- Rests on: E3, E4, E6\n",
        "- Incidents: `miss01`, `miss02`\n",
        "- F1: gomon 1.2.3 was watching before the container's first process started. Evidence: kernel (4), files (1).",
        "| E5 | 2023-11-14T22:15:21.700Z | +1 min | runtime | containerd, of shop/api-7d9f/api | health check",
        "| E6 | standing |  | files | shop/api-7d9f/api | PT\\_INTERP of",
        "```text\nBuild without cgo:\n",
        "F2, healthcheck-tool-missing, a consequence of missing-interpreter:",
        "- shop/api-7d9f/api (2f2a9c1d4e5b…): watched 2023-11-14T22:15:21.000Z for 1 min 1 s, from before its \
         first process, 7 events lost\n",
        "Not known to gomon: C library, linkage, user, memory limit.",
        "| probe oom\\_kill | the tracepoint oom/mark\\_victim is missing | oom-kill |",
        "\"Cannot tell\" means",
        "| Action | Owner | Due |",
    ] {
        assert!(page.contains(part), "{part}\n---\n{page}");
    }
    assert!(page.ends_with('\n') && !page.ends_with("\n\n"));
}

#[test]
fn a_long_timeline_keeps_its_ends_and_all_that_a_failure_rests_on_and_says_so() {
    let mut incident = samples::run(1, "1.4", conclusions::diagnosis());
    let fact = |n: u64| Evidence {
        at: Some(BootNs(1_699_999_000_000_000_000 + n * MS)),
        source: Source::Kernel,
        fact: format!("fact {n}"),
    };
    incident.timeline = (0..300).map(fact).chain(incident.timeline).collect();
    incident.timeline_dropped = 9;
    let report = Postmortem::new(&[incident], samples::scope()).unwrap();
    assert_eq!(report.timeline.entries.len(), 303);
    let (rows, left_out) = (report.timeline.rows(), report.timeline.left_out());
    assert_eq!(rows.len(), 303 - left_out + 1);
    assert!(matches!(rows[40], Row::Gap { from: 41, .. }), "{:?}", rows[40]);
    let page = super::markdown(&report);
    assert!(page.contains(&format!("{left_out} pieces are left out here, E41 to E262")), "{page}");
    assert!(
        page.contains("`gomon report -o json` has all of them") && page.contains("9 further pieces"),
        "{page}"
    );
}

#[test]
fn consequences_in_a_ring_and_of_what_is_not_there_are_told_all_the_same() {
    let of = |pattern: &str, cause: &str| Diagnosis {
        pattern: pattern.to_owned(),
        consequence_of: Some(cause.to_owned()),
        ..conclusions::diagnosis()
    };
    let ring = [("oom-kill", "bad-shebang"), ("bad-shebang", "oom-kill"), ("exec-format", "unknown")];
    let incidents: Vec<Incident> =
        ring.iter().map(|(one, cause)| samples::run(1, "1", of(one, cause))).collect();
    let report = Postmortem::new(&incidents, samples::scope()).unwrap();
    assert_eq!(report.failures().count(), 3);
    let page = super::markdown(&report);
    assert!(page.contains("- Consequence of: unknown, which is not in this report\n"), "{page}");
}

#[test]
fn one_incident_brings_along_its_cause_and_what_that_brought_about() {
    let all = samples::incidents();
    let ids = |of: &Incident| related(of, &all).into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(&all[0]), ["heal02", "miss02"]);
    assert_eq!(ids(&all[1]), ["miss02", "heal02"]);
    assert_eq!(ids(&all[2]), ["miss01"], "another container");
}

#[test]
fn a_remark_stands_apart_from_what_failed_unless_there_is_nothing_else() {
    let of = |pattern: &str, severity| {
        samples::run(1, "1", Diagnosis { pattern: pattern.to_owned(), severity, ..conclusions::diagnosis() })
    };
    let remark = of("privilege-posture", Severity::Info);
    let alone = Postmortem::new(std::slice::from_ref(&remark), samples::scope()).unwrap();
    assert_eq!(alone.title, "privilege-posture in shop/api-7d9f/api");
    let both = Postmortem::new(&[remark, of("oom-kill", Severity::Warning)], samples::scope()).unwrap();
    assert_eq!(both.title, "oom-kill in shop/api-7d9f/api");
    assert_eq!(both.summary.last().unwrap(), "1 remark stands beside that.");
    let page = super::markdown(&both);
    let (_, rest) = page.split_once("_Remarks, which explain no failure:_").unwrap();
    assert!(rest.trim_start().starts_with("### F2: privilege-posture"), "{page}");
}

#[test]
fn no_incidents_are_no_report() {
    assert_eq!(Postmortem::new(&[], samples::scope()), None);
}

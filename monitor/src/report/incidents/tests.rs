//! What is said of incidents, and that it reads back.

use serde_json::Value;

use super::*;
use crate::{
    model::{
        container::CgroupId,
        diagnosis::{Coverage, Evidence},
        incident::{Facts, Sighting},
        text::inert,
    },
    report::{
        samples::{self, EPOCH as BOOT},
        schema,
    },
};

fn incident() -> Incident {
    let conclusion = samples::finding();
    let facts = Facts {
        entrypoint: "/app/server".to_owned(),
        go_version: "go1.24".to_owned(),
        libc: "none".to_owned(),
        linkage: "dynamic".to_owned(),
        user: "0:0".to_owned(),
        memory_limit_bytes: Some(1 << 20),
    };
    let seen = Sighting::new(&conclusion, &conclusion.diagnoses[0], facts, CgroupId(1), BOOT, "1.2.3");
    Incident { id: "0a1b2c3d4e".to_owned(), told: seen.told, timeline: seen.timeline, timeline_dropped: 3 }
}

fn outline(incident: &Incident) -> Incident {
    Incident { timeline: Vec::new(), timeline_dropped: 0, ..incident.clone() }
}

const ALL: [Format; 6] =
    [Format::Columns, Format::Wide, Format::Json, Format::Jsonl, Format::Yaml, Format::Markdown];

#[test]
fn a_list_and_one_incident_fit_the_published_schema() {
    let incident = incident();
    let root: Value = serde_json::from_str(SCHEMA).unwrap();
    let listed = serde_json::to_value(Listed::new(std::slice::from_ref(&incident), 1)).unwrap();
    assert_eq!(schema::faults(&root, &listed), Vec::<String>::new());
    let one = serde_json::to_value(Document::new(&incident)).unwrap();
    let definition = root.pointer("/$defs/incident_document").unwrap();
    assert_eq!(schema::faults_of(&root, definition, &one, "$"), Vec::<String>::new());
    let mut wrong = one;
    wrong["incident"]["id"] = Value::Null;
    wrong["incident"]["surprise"] = Value::Null;
    assert_eq!(schema::faults_of(&root, definition, &wrong, "$").len(), 2);
}

#[test]
fn what_an_agent_answers_reads_back_as_it_was() {
    let incident = incident();
    let text = serde_json::to_vec(&Document::new(&incident)).unwrap();
    assert_eq!(read_one(&text).unwrap(), incident);
    let text = serde_json::to_vec(&Listed::new(std::slice::from_ref(&incident), 7)).unwrap();
    assert_eq!(read(&text).unwrap(), (vec![outline(&incident)], 7));
}

#[test]
fn an_answer_of_another_version_names_both() {
    let error = read(br#"{"schema_version":9,"incidents":"other"}"#).unwrap_err();
    assert_eq!(error.to_string(), "the agent answers in version 9 of the schema, this gomon reads 1");
    assert!(read(b"<html>").is_err());
}

#[test]
fn the_table_names_who_what_and_how_often_and_what_it_does_not_show() {
    let text = list(&[incident()], 3, Format::Columns, &Theme::plain()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "0a1b2c3d4e",
            "2023-11-14T22:14:21.500Z",
            "3",
            "error",
            "shop/api-7d9f/api",
            "missing-interpreter",
            "/lib64/ld-linux-x86-64.so.2"
        ]
    );
    assert_eq!(lines[2], "and 2 more: --limit 3");
    assert_eq!(list(&[], 0, Format::Columns, &Theme::plain()).unwrap(), "no incidents\n");
}

#[test]
fn one_incident_is_told_like_a_diagnosis_with_facts_and_timeline() {
    let text = show(&incident(), Format::Columns, &Theme::plain()).unwrap();
    for part in [
        "Incident 0a1b2c3d4e\nentrypoint /app/server, go go1.24, libc none",
        "ERROR missing-interpreter",
        "Seen: 3 times, first 2023-11-14T22:13:21.500Z, last 2023-11-14T22:14:21.500Z",
        "Timeline:\n  2023-11-14T22:13:21.500Z        +0 ms  kernel   execve",
        "3 further pieces of evidence were not kept",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
}

#[test]
fn a_string_of_the_container_steers_nothing_in_any_form() {
    let mut incident = incident();
    let hostile = "a\u{1b}[2J|<script>`\u{202e}".to_owned();
    incident.told.identity.name.clone_from(&hostile);
    incident.told.identity.image.clone_from(&hostile);
    incident.told.facts.entrypoint.clone_from(&hostile);
    incident.told.diagnosis.subject.clone_from(&hostile);
    incident.told = incident.told.made_inert();
    incident.timeline = vec![Evidence { fact: inert(&hostile).into_owned(), ..incident.timeline[0].clone() }];
    for format in ALL {
        let list = list(std::slice::from_ref(&incident), 1, format, &Theme::plain()).unwrap();
        assert!(!list.contains(['\u{1b}', '\u{202e}']), "{format:?}: {list}");
        assert!(list.ends_with('\n') && !list.ends_with("\n\n"), "{format:?}");
        let shown = show(&incident, format, &Theme::plain()).unwrap();
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{format:?}: {shown}");
    }
    let page = list(&[incident], 1, Format::Markdown, &Theme::plain()).unwrap();
    assert!(page.contains("\\|&lt;script&gt;\\`"), "{page}");
}

#[test]
fn a_name_without_end_does_not_make_a_table_of_its_width() {
    let mut incident = incident();
    incident.told.diagnosis.pattern = "x".repeat(70_000);
    let text = list(&[incident], 1, Format::Columns, &Theme::plain()).unwrap();
    assert!(text.len() < 4_000, "{} bytes", text.len());
}

#[test]
fn what_was_not_seen_is_inert_too_whoever_wrote_it() {
    let mut incident = incident();
    let text = || "a\u{1b}[2J".to_owned();
    let blind = crate::model::diagnosis::Blindness { what: text(), why: text(), patterns: vec![text()] };
    incident.told.coverage.blind = vec![blind];
    incident.told = incident.told.made_inert();
    for format in ALL {
        let shown = show(&incident, format, &Theme::plain()).unwrap();
        assert!(!shown.contains('\u{1b}'), "{format:?}: {shown}");
    }
}

#[test]
fn coverage_of_that_time_is_told() {
    let mut incident = incident();
    incident.told.coverage = Coverage { events_lost: 7, ..incident.told.coverage };
    assert!(show(&incident, Format::Markdown, &Theme::plain()).unwrap().contains("7 events lost"));
}

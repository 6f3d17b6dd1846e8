//! The page: its parts, its picture, and that no string becomes a part of it.

use super::*;
use crate::model::{container::Identity, incident::Facts};

/// Ends whatever it stands in, and begins what would run.
const HOSTILE: &str = "\"'></td></pre></style></svg></title><script>x()</script><img src=x onerror=x()>\u{1b}[2J\u{202e}\
                       javascript:x()";

fn hostile(mut incident: Incident) -> Incident {
    let text = || HOSTILE.to_owned();
    let Identity { name, image, namespace, pod, .. } = &mut incident.told.identity;
    let diagnosis = &mut incident.told.diagnosis;
    let Facts { entrypoint, go_version, libc, linkage, user, .. } = &mut incident.told.facts;
    let Diagnosis { pattern, subject, summary, remedy, .. } = diagnosis;
    for field in [name, image, namespace, pod, pattern, subject, summary, remedy] {
        *field = text();
    }
    for field in [entrypoint, go_version, libc, linkage, user, &mut incident.told.version, &mut incident.id] {
        *field = text();
    }
    diagnosis.container = crate::model::container::ContainerId(HOSTILE.into());
    diagnosis.consequence_of = Some(text());
    for one in diagnosis.evidence.iter_mut().chain(&mut incident.timeline) {
        one.fact = text();
    }
    incident.told.coverage.blind = vec![Blindness { what: text(), why: text(), patterns: vec![text()] }];
    incident
}

/// The tags of a page as they are written, without those that end something.
fn tags(page: &str) -> Vec<&str> {
    let body = page.split("</style>").skip(1).collect::<Vec<_>>();
    assert_eq!(body.len(), 1, "the stylesheet ends once");
    body[0]
        .split('<')
        .skip(1)
        .filter(|tag| !tag.starts_with('/'))
        .filter_map(|tag| tag.split('>').next())
        .collect()
}

#[test]
fn no_string_of_an_incident_becomes_a_part_of_the_page() {
    let scope = Scope { asked: HOSTILE.to_owned(), version: HOSTILE.to_owned(), ..samples::scope() };
    let incidents: Vec<Incident> = samples::incidents().into_iter().map(hostile).collect();
    let report = Postmortem::new(&incidents, scope).unwrap();
    let page = super::super::html(&report);
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for tag in tags(&page) {
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(KNOWN.contains(&name), "<{tag}>");
        for attribute in [" on", " style=", "javascript:", "http", "src="] {
            assert!(!outside_of_quotes(tag).contains(attribute), "<{tag}>");
        }
        for link in tag.split(" href=\"").skip(1) {
            assert!(link.starts_with('#'), "<{tag}>");
        }
    }
    let markdown = super::super::markdown(&report);
    assert!(!markdown.contains(['\u{1b}', '\u{202e}']) && markdown.contains("&lt;script&gt;"), "{markdown}");
    let json = serde_json::to_string(&Document::new(&report)).unwrap();
    assert!(!json.contains(['\u{1b}', '\u{202e}']));
}

/// The elements that pages are made of.
const KNOWN: [&str; 49] = [
    "body",
    "header",
    "main",
    "footer",
    "nav",
    "section",
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "div",
    "span",
    "b",
    "br",
    "a",
    "code",
    "pre",
    "time",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "figure",
    "figcaption",
    "svg",
    "g",
    "text",
    "tspan",
    "title",
    "desc",
    "line",
    "rect",
    "circle",
    "polygon",
    "form",
    "label",
    "input",
    "select",
    "option",
    "button",
    "ol",
];

/// A tag without the values of its attributes.
fn outside_of_quotes(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

#[test]
fn the_page_has_its_sections_its_evidence_and_a_remedy_to_copy() {
    let page = super::super::html(&report());
    for part in [
        "<!DOCTYPE html><html lang=\"en\">",
        "<h1>missing-interpreter in shop/api-7d9f/api</h1>",
        "<span class=\"badge error\">error</span>F1 missing-interpreter</h3>",
        "<h4>Brought about by it</h4>",
        "<pre>Build without cgo:\n\n    ENV CGO_ENABLED=0\n",
        "<a href=\"#e3\">E3</a>",
        "id=\"e3\"",
        "data-open=\"customer_impact\"",
        "&quot;Cannot tell&quot; means",
        "<b class=\"warning\">changed</b>",
    ] {
        assert!(page.contains(part), "{part}\n---\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("<link") && !page.contains(" style=\""));
}

#[test]
fn the_picture_has_a_lane_for_each_failure_and_a_mark_for_each_piece_of_evidence() {
    let report = report();
    let page = super::super::html(&report);
    for number in 1..=report.timeline.entries.len() {
        assert_eq!(page.matches(&format!("data-evidence=\"E{number}\"")).count(), 1, "E{number}");
        assert_eq!(page.matches(&format!("id=\"e{number}\"")).count(), 1, "E{number}");
    }
    assert_eq!(page.matches("class=\"rail\"").count(), 2);
    assert!(page.contains("From 2023-11-14T22:14:21.500Z to 2023-11-14T22:15:21.700Z."), "{page}");
}

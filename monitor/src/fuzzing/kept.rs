//! The readers of what was kept: an agent's answers about incidents, the rows of a store. Whatever they understand goes through
//! every form in which incidents and reports are shown, which stays inert and without foreign markup.

use jiff::Timestamp;

use super::{Seed, Target, Told};
use crate::{
    model::{
        container::CgroupId,
        diagnosis::Conclusion,
        incident::{Facts, Incident, Sighting, Told as Row},
        text::is_inert,
        time::BootEpoch,
    },
    report::{
        Format, Theme,
        incidents::{list, read, read_one, show},
        overview::{Filter, Kept, Overview, Sight, overview},
        postmortem::{self, Document, Postmortem, Scope, related},
    },
};

pub(super) const TARGETS: &[Target] = &[
    Target::new(
        "incidents",
        "an agent's list of incidents",
        &[Seed::File("tests/fuzz/seeds/incidents.json")],
        listed,
    )
    .costing(40),
    Target::new(
        "incident",
        "an agent's answer about one incident",
        &[Seed::Folder("tests/fuzz/seeds", "incident.json")],
        one,
    )
    .costing(40),
    Target::new("kept", "rows of a store", &[Seed::Folder("tests/fuzz/seeds", "row.json")], row).costing(40),
];

const FORMATS: [Format; 6] =
    [Format::Columns, Format::Wide, Format::Json, Format::Jsonl, Format::Yaml, Format::Markdown];

/// The elements that pages are made of.
const ELEMENTS: [&str; 47] = [
    "a",
    "b",
    "body",
    "br",
    "button",
    "circle",
    "code",
    "dd",
    "desc",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "header",
    "input",
    "label",
    "li",
    "line",
    "main",
    "nav",
    "option",
    "p",
    "polygon",
    "pre",
    "rect",
    "section",
    "select",
    "span",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "time",
    "tr",
    "tspan",
    "ul",
];

fn listed(bytes: &[u8]) -> Told {
    match read(bytes) {
        Ok((incidents, total)) => shown(&incidents, total),
        Err(error) => Told::Refused(error.to_string()),
    }
}

fn one(bytes: &[u8]) -> Told {
    match read_one(bytes) {
        Ok(incident) => shown(&[incident], 1),
        Err(error) => Told::Refused(error.to_string()),
    }
}

fn row(bytes: &[u8]) -> Told {
    match serde_json::from_slice::<Row>(bytes) {
        Ok(told) => {
            let told = told.made_inert();
            let timeline = told.diagnosis.evidence.clone();
            shown(&[Incident { id: "0a1b2c3d4e".to_owned(), told, timeline, timeline_dropped: 1 }], 1)
        }
        Err(error) => Told::Refused(error.to_string()),
    }
}

/// The incidents that these conclusions would leave in a store.
pub(super) fn incidents(conclusions: &[Conclusion], epoch: BootEpoch) -> Vec<Incident> {
    let all = conclusions.iter().flat_map(|one| one.diagnoses.iter().map(move |diagnosis| (one, diagnosis)));
    let kept = all.enumerate().map(|(number, (conclusion, diagnosis))| {
        let seen = Sighting::new(conclusion, diagnosis, Facts::default(), CgroupId(1), epoch, "0.1.0");
        Incident {
            id: format!("{number:010x}"),
            told: seen.told,
            timeline: seen.timeline,
            timeline_dropped: 0,
        }
    });
    kept.collect()
}

/// Every form of them; panics where one is not inert.
pub(super) fn shown(incidents: &[Incident], total: u64) -> Told {
    let mut said = String::new();
    for format in FORMATS {
        let text = list(incidents, total, format, &Theme::plain()).unwrap_or_else(|error| error.to_string());
        said.push_str(&lines(&text, format));
        for incident in incidents {
            let text = show(incident, format, &Theme::plain()).unwrap_or_else(|error| error.to_string());
            said.push_str(&lines(&text, format));
            drop(related(incident, incidents));
        }
    }
    let filter = Filter {
        container: said.chars().take(300).collect(),
        namespace: String::new(),
        pattern: String::new(),
        since: String::new(),
        min_severity: crate::model::diagnosis::Severity::Info,
    };
    let kept = Kept::Listed { incidents: incidents.to_vec(), total };
    let not_ready = incidents.iter().map(|one| one.told.diagnosis.summary.clone()).collect();
    let first = Overview { version: "0.1.0".to_owned(), not_ready, sight: Sight::default(), filter, kept };
    page(&overview(&first));
    let asked = incidents.first().map_or_else(String::new, |one| one.told.identity.name.clone());
    let scope = Scope { asked, total, made: Timestamp::UNIX_EPOCH, version: "0.1.0".to_owned() };
    let Some(report) = Postmortem::new(incidents, scope) else { return Told::Nothing };
    let text = postmortem::html(&report);
    page(&text);
    said.push_str(&lines(&postmortem::markdown(&report), Format::Markdown));
    said.push_str(
        &serde_json::to_string_pretty(&Document::new(&report))
            .map(|text| lines(&text, Format::Json))
            .unwrap_or_default(),
    );
    let evidence: usize =
        incidents.iter().map(|one| one.timeline.len() + one.told.diagnosis.evidence.len()).sum();
    assert!(report.timeline.entries.len() <= evidence, "evidence that nobody told");
    assert!(report.failures().count() <= incidents.len(), "failures that nobody told");
    // The list alone says what was read; all forms of it would be as long as several answers.
    said.truncate(said.char_indices().nth(1000).map_or(said.len(), |(at, _)| at));
    Told::Value(said)
}

fn lines(text: &str, format: Format) -> String {
    for line in text.lines() {
        assert!(is_inert(line), "{format:?}: {line:?}");
    }
    text.to_owned()
}

/// A page has no element, and no attribute, that is not its own.
fn page(text: &str) {
    let mut parts = text.split("</style>");
    let (head, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    assert!(parts.next().is_none() && head.starts_with("<!DOCTYPE html>"), "the stylesheet ends once");
    for line in body.lines() {
        assert!(is_inert(line), "a line of a page: {line:?}");
    }
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or((tag, ""));
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        assert!(
            ELEMENTS.contains(&name) || matches!(name, "title" | "html" | "head"),
            "an element of others: <{tag}>"
        );
        let outside: String = tag.split('"').step_by(2).collect();
        let is_foreign =
            |word: &str| word.starts_with("on") || word.starts_with("style") || word.starts_with("src");
        assert!(!outside.split_whitespace().skip(1).any(is_foreign), "an attribute of others: <{tag}>");
        for link in tag.split("href=\"").skip(1) {
            assert!(
                link.starts_with('#') || link.starts_with('/') && !link.starts_with("//"),
                "a link of others: <{tag}>"
            );
        }
    }
}

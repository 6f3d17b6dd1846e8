//! A report as one HTML page that needs nothing else: for a browser at night, for paper, and for a review. No string of a
//! container becomes markup.

use maud::{Markup, html};

use super::{
    ACTION_ITEMS, CANNOT_TELL, Cause, Entry, Failure, Outcome, Postmortem, Question, Row, Section, Watched,
    markdown::{BEYOND, REMARKS, UNKNOWN, cells, compared, gap, notes, unknown},
    picture, questions,
    words::{occurrences, plural, sure},
};
use crate::{
    model::{diagnosis::Blindness, incident::EPOCH},
    report::{
        columns::{ended, watched},
        duration::human,
        html::{Form, badge, page as framed, sentence, time},
    },
};

/// Where on the page each section is.
const SECTIONS: [(&str, &str); 8] = [
    ("cause", "Root cause"),
    ("timeline", "Timeline"),
    ("impact", "Impact"),
    ("trigger", "Trigger"),
    ("detection", "Detection"),
    ("changes", "What changed"),
    ("coverage", "Coverage"),
    ("lessons", "Lessons and action items"),
];

/// The page of `report`.
#[must_use]
pub fn page(report: &Postmortem) -> String {
    framed(&format!("Postmortem: {}", report.title), Form::None, &body(report))
}

fn body(report: &Postmortem) -> Markup {
    let (causes, remarks) = report.causes_and_remarks();
    html! {
        header {
            p.kicker { "Postmortem" }
            h1 { (report.title) }
            @for one in &report.summary { p.lede.measure { (sentence(one)) } }
            (facts(report))
            nav.toc aria-label="Sections" {
                ul { @for (id, name) in SECTIONS { li { a href={ "#" (id) } { (name) } } } }
            }
        }
        main {
            (heading("cause"))
            @for cause in causes { (cause_card(cause)) }
            @if !remarks.is_empty() { h4 { (REMARKS) } }
            @for remark in remarks { (cause_card(remark)) }
            @for one in questions(Section::Remedy) { (blank(one)) }
            (heading("timeline"))
            (picture::figure(report))
            (timeline(report))
            (heading("impact"))
            (sentences(&report.impact))
            @for one in questions(Section::Impact) { (blank(one)) }
            (heading("trigger"))
            (sentences(&report.trigger))
            @for one in questions(Section::Trigger) { (blank(one)) }
            (heading("detection"))
            (sentences(&report.detection))
            @for one in questions(Section::Detection) { (blank(one)) }
            (heading("changes"))
            (changes(report))
            (heading("coverage"))
            (coverage(report))
            (heading("lessons"))
            @for one in questions(Section::Lessons) { (blank(one)) }
            (action_items())
        }
        footer {
            p {
                "Made " time datetime=(format!("{:.0}", report.scope.made)) { (format!("{:.0}", report.scope.made)) }
                " by gomon " (report.scope.version) " from what it has seen and kept. Dashed fields are for people: gomon leaves "
                "them empty. All times are UTC."
            }
        }
    }
}

fn heading(id: &str) -> Markup {
    let name = SECTIONS.iter().find(|(known, _)| *known == id).map_or("", |(_, name)| name);
    html! { h2 id=(id) { (name) } }
}

fn facts(report: &Postmortem) -> Markup {
    html! {
        dl.facts {
            dt { "Severity" } dd { (badge(report.severity)) }
            dt { "Seen" } dd {
                (time(report.first))
                @if report.last > report.first { " to " (time(report.last)) " (" (human(report.last.since(report.first))) ")" }
            }
            dt { "About" } dd {
                (report.scope.asked) "; " (plural(report.count as u64, "incident", "incidents"))
                @if report.left_out() > 0 { "; " b { (report.left_out()) " more fit and are not in this report" } }
            }
        }
    }
}

fn sentences(all: &[String]) -> Markup {
    html! { ul.measure { @for one in all { li { (sentence(one)) } } } }
}

/// A place for people.
fn blank(question: &Question) -> Markup {
    html! {
        div.open data-open=(question.key) {
            span.mark { "To fill in: " } b { (question.title) }
            p { (question.ask) }
            div.space {}
        }
    }
}

fn cause_card(cause: &Cause) -> Markup {
    html! {
        (card(&cause.failure, false))
        @if !cause.consequences.is_empty() {
            div.consequences {
                h4 { "Brought about by it" }
                @for one in &cause.consequences { (card(one, true)) }
            }
        }
    }
}

fn card(failure: &Failure, is_below: bool) -> Markup {
    let Failure { number, pattern, container, severity, summary, subject, remedy, .. } = failure;
    html! {
        section class={ "card " (severity.name()) } id={ "f" (number) } {
            h3 { (badge(*severity)) "F" (number) " " (pattern) }
            p { (summary) }
            dl.facts {
                dt { "Missing or wrong" } dd { code { (subject) } }
                dt { "Container" } dd {
                    (container)
                    @if !failure.image.is_empty() { br; span.soft { (failure.image) } }
                    @if let Some(owner) = &failure.run_by { br; span.soft { "run by " (owner) } }
                }
                @if let Some(cause) = &failure.consequence_of {
                    dt { "Consequence of" } dd { (cause) @if !is_below { ", which is not in this report" } }
                }
                @if let Some(title) = failure.title { dt { "Pattern" } dd { (title) } }
                dt { "How sure" } dd { (sure(failure.confidence)) }
                dt { "How often" } dd { (sentence(&occurrences(failure))) }
                @if let Some(ending) = &failure.ending { dt { "Ended" } dd { (sentence(&ended(ending, EPOCH))) } }
                @if !failure.evidence.is_empty() {
                    dt { "Rests on" } dd { @for number in &failure.evidence { a href={ "#e" (number) } { "E" (number) } " " } }
                }
                @for (what, why) in &failure.not_seen { dt { "Not seen" } dd { (what) ": " (why) } }
                dt { (if failure.incidents.len() == 1 { "Incident" } else { "Incidents" }) }
                dd { code { (failure.incidents.join(" ")) } }
            }
            @if !remedy.is_empty() { h4 { "Remedy" } pre { (remedy) } }
        }
    }
}

fn timeline(report: &Postmortem) -> Markup {
    html! {
        table.stack role="table" {
            thead role="rowgroup" {
                tr role="row" {
                    @for head in ["Id", "UTC, since the first", "Source", "Fact and actor"] {
                        th role="columnheader" scope="col" { (head) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in report.timeline.rows() {
                    @match row {
                        Row::Entry(entry) => { (line(entry)) }
                        Row::Gap { count, from, to } => {
                            tr.gap role="row" { td role="cell" colspan="4" { (gap(count, from, to)) } }
                        }
                    }
                }
            }
        }
        @for note in notes(report) { p.small.soft { (note) } }
    }
}

fn line(entry: &Entry) -> Markup {
    let Entry { number, at, since, source, actor, fact, failures, is_cited: _ } = entry;
    html! {
        tr role="row" id={ "e" (number) } {
            td.id role="cell" { b { "E" (number) } }
            td.when role="cell" {
                @match at { Some(at) => { (time(*at)) } None => { span.soft { "standing" } } }
                @if let Some(since) = since { " " span.since { "+" (human(*since)) } }
            }
            td.tight role="cell" { (source.name()) }
            td.fact role="cell" {
                (fact)
                " " span.actor { (actor) " " @for number in failures { a href={ "#f" (number) } { "F" (number) } " " } }
            }
        }
    }
}

fn changes(report: &Postmortem) -> Markup {
    let cell = |value: Option<&str>| {
        html! { @if let Some(value) = value { code { (value) } } @else { span.soft { (UNKNOWN) } } }
    };
    html! {
        @for change in &report.changes.containers {
            h3 { (change.container) }
            p.small.soft.keep { (sentence(&compared(change))) }
            @if change.known().next().is_some() {
                table.stack role="table" {
                    thead role="rowgroup" { tr role="row" { @for head in ["What", "Earlier", "Latest", "Changed"] { th role="columnheader" scope="col" { (head) } } } }
                    tbody role="rowgroup" {
                        @for (what, outcome) in change.known() {
                            @let [before, now, word] = cells(outcome);
                            tr role="row" {
                                td role="cell" { b { (what) } }
                                td role="cell" data-head="earlier" { (cell(before)) }
                                td role="cell" data-head="latest" { (cell(now)) }
                                td.tight role="cell" {
                                    @if matches!(outcome, Outcome::Changed { .. }) { b.warning { "changed" } } @else { span.soft { (word.unwrap_or("cannot tell")) } }
                                }
                            }
                        }
                    }
                }
            }
            @if let Some(list) = unknown(change) { p.small { (list) } }
        }
        @if report.changes.left_out > 0 {
            p.small { (plural(report.changes.left_out as u64, "container is", "containers are")) " not compared." }
        }
        p.small.soft { (BEYOND) }
    }
}

fn coverage(report: &Postmortem) -> Markup {
    let blind: Vec<(&Watched, &Blindness)> = report
        .coverage
        .iter()
        .flat_map(|one| one.coverage.blind.iter().map(move |blind| (one, blind)))
        .collect();
    html! {
        ul {
            @for one in &report.coverage {
                li { b { (one.container) } " (" (one.short_id()) "): watched " (sentence(&watched(&one.coverage, EPOCH))) }
            }
        }
        @if blind.is_empty() {
            p { "No probe was blind and no fact was missing when these incidents were told." }
        } @else {
            div.card.warning {
                h3 { "Not everything was seen" }
                p { (CANNOT_TELL) }
                table.stack role="table" {
                    thead role="rowgroup" { tr role="row" { @for head in ["Container", "Not seen", "Why", "Cannot tell"] { th role="columnheader" scope="col" { (head) } } } }
                    tbody role="rowgroup" {
                        @for (one, Blindness { what, why, patterns }) in blind {
                            tr role="row" {
                                td role="cell" { (one.container) }
                                td role="cell" data-head="not seen" { (what) }
                                td role="cell" data-head="why" { (why) }
                                td role="cell" data-head="cannot tell" { (patterns.join(", ")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn action_items() -> Markup {
    html! {
        div.open data-open="action_items" {
            span.mark { "To fill in: " } b { "Action items" }
            table role="table" {
                thead { tr { @for head in ACTION_ITEMS { th scope="col" { (head) } } } }
                tbody { @for _ in 0..3 { tr { @for _ in ACTION_ITEMS { td.blank {} } } } }
            }
        }
    }
}

//! A report as Markdown for a ticket or a review. Never lets a string of a container become markup.

use std::fmt::{self, Write};

use super::{
    ACTION_ITEMS, CANNOT_TELL, Change, Entry, Failure, Outcome, Postmortem, Row, Section, Watched, questions,
    words::{occurrences, plural, sure, utc},
};
use crate::model::{diagnosis::Blindness, incident::EPOCH};
use crate::report::{
    columns::{ended, watched},
    duration::human,
    markdown::{code, fenced, prose},
};

/// The page of `report`, which ends in a line break.
#[must_use]
pub fn page(report: &Postmortem) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut out, report);
    out
}

fn write_page(out: &mut String, report: &Postmortem) -> fmt::Result {
    writeln!(out, "# Postmortem: {}\n", prose(&report.title))?;
    let scope = &report.scope;
    let incidents = plural(report.count as u64, "incident", "incidents");
    writeln!(out, "- Severity: **{}**", report.severity)?;
    writeln!(out, "- Seen: {} to {} (UTC)", utc(report.first), utc(report.last))?;
    writeln!(out, "- About: {}; {incidents}", prose(&scope.asked))?;
    if report.left_out() > 0 {
        writeln!(out, "- Not in this report: {} more that fit", report.left_out())?;
    }
    writeln!(out, "- Made: {:.0} by gomon {}", scope.made, prose(&scope.version))?;
    writeln!(
        out,
        "\n> Whatever stands behind **To fill in** is for people; all else gomon has seen and kept."
    )?;
    sentences(out, "Summary", &report.summary)?;
    sentences(out, "Impact", &report.impact)?;
    blanks(out, Section::Impact)?;
    sentences(out, "Trigger", &report.trigger)?;
    blanks(out, Section::Trigger)?;
    writeln!(out, "\n## Root cause")?;
    let (causes, remarks) = report.causes_and_remarks();
    for (number, cause) in causes.iter().chain(remarks).enumerate() {
        if number == causes.len() {
            writeln!(out, "\n_{REMARKS}:_")?;
        }
        write_failure(out, &cause.failure, 3)?;
        for consequence in &cause.consequences {
            write_failure(out, consequence, 4)?;
        }
    }
    sentences(out, "Detection", &report.detection)?;
    blanks(out, Section::Detection)?;
    write_timeline(out, report)?;
    write_changes(out, report)?;
    write_remedies(out, report)?;
    write_coverage(out, report)?;
    writeln!(out, "\n## Lessons and action items")?;
    blanks(out, Section::Lessons)?;
    writeln!(out, "\n**To fill in** what is to be done:\n\n| {} |", ACTION_ITEMS.join(" | "))?;
    writeln!(out, "|{}\n|{}", "---|".repeat(ACTION_ITEMS.len()), "   |".repeat(ACTION_ITEMS.len()))
}

fn sentences(out: &mut String, heading: &str, sentences: &[String]) -> fmt::Result {
    writeln!(out, "\n## {heading}\n")?;
    sentences.iter().try_for_each(|one| writeln!(out, "- {}", prose(one)))
}

fn blanks(out: &mut String, section: Section) -> fmt::Result {
    questions(section).try_for_each(|one| writeln!(out, "\n**To fill in** ({}): _{}_", one.title, one.ask))
}

fn write_failure(out: &mut String, failure: &Failure, level: usize) -> fmt::Result {
    let Failure { number, severity, pattern, container, consequence_of, .. } = failure;
    let hashes = "#".repeat(level);
    writeln!(out, "\n{hashes} F{number}: {} in {} ({severity})\n", prose(pattern), prose(container))?;
    writeln!(out, "{}\n", prose(&failure.summary))?;
    if let Some(cause) = consequence_of {
        let where_to = if level > 3 { "" } else { ", which is not in this report" };
        writeln!(out, "- Consequence of: {}{where_to}", prose(cause))?;
    }
    if let Some(title) = failure.title {
        writeln!(out, "- Pattern: {}", prose(title))?;
    }
    writeln!(out, "- Missing or wrong: {}", code(&failure.subject))?;
    writeln!(out, "- How sure: {}", sure(failure.confidence))?;
    writeln!(out, "- {}", occurrences(failure))?;
    if let Some(ending) = &failure.ending {
        writeln!(out, "- Ended: {}", ended(ending, EPOCH))?;
    }
    let evidence: Vec<String> = failure.evidence.iter().map(|number| format!("E{number}")).collect();
    if !evidence.is_empty() {
        writeln!(out, "- Rests on: {}", evidence.join(", "))?;
    }
    for (what, why) in &failure.not_seen {
        writeln!(out, "- Not seen: {}: {}", prose(what), prose(why))?;
    }
    if !failure.image.is_empty() {
        writeln!(out, "- Image: {}", code(&failure.image))?;
    }
    if let Some(owner) = &failure.run_by {
        writeln!(out, "- Run by: {}", prose(owner))?;
    }
    let ids: Vec<String> = failure.incidents.iter().map(|id| code(id)).collect();
    writeln!(out, "- {}: {}", if ids.len() == 1 { "Incident" } else { "Incidents" }, ids.join(", "))
}

fn write_timeline(out: &mut String, report: &Postmortem) -> fmt::Result {
    writeln!(
        out,
        "\n## Timeline\n\n| id | UTC | Δt | source | actor | fact | of |\n|---|---|---|---|---|---|---|"
    )?;
    for row in report.timeline.rows() {
        match row {
            Row::Entry(one) => {
                let Entry { number, at, since, source, actor, fact, failures, is_cited: _ } = one;
                let time = at.map_or_else(|| "standing".to_owned(), utc);
                let since = since.map_or_else(String::new, |since| format!("+{}", human(since)));
                let of: Vec<String> = failures.iter().map(|number| format!("F{number}")).collect();
                let (source, actor, fact) = (source.name(), prose(actor), prose(fact));
                writeln!(
                    out,
                    "| E{number} | {time} | {since} | {source} | {actor} | {fact} | {} |",
                    of.join(" ")
                )?;
            }
            Row::Gap { count, from, to } => {
                writeln!(out, "| … | | | | | {} |  |", gap(count, from, to))?;
            }
        }
    }
    notes(report).iter().try_for_each(|note| writeln!(out, "\n{note}"))
}

/// What stands in the place of what is left out.
pub(in crate::report) fn gap(count: usize, from: usize, to: usize) -> String {
    match count {
        1 => format!("E{from} is left out here"),
        _ => format!("{count} pieces are left out here, E{from} to E{to}"),
    }
}

/// How the timeline was shortened.
pub(in crate::report) fn notes(report: &Postmortem) -> Vec<String> {
    let mut notes = Vec::new();
    match report.timeline.left_out() {
        0 => {}
        count => notes.push(format!(
            "Shortened: the first and the last pieces of evidence and all that a failure rests on are here, {count} \
             are left out. `gomon report -o json` has all of them."
        )),
    }
    match report.timeline.not_kept {
        0 => {}
        count => notes.push(format!(
            "{} not kept: an incident has room for so many only.",
            plural(count, "further piece of evidence was", "further pieces of evidence were")
        )),
    }
    notes
}

fn write_changes(out: &mut String, report: &Postmortem) -> fmt::Result {
    writeln!(out, "\n## What changed")?;
    for change in &report.changes.containers {
        writeln!(out, "\n{}, {}:", prose(&change.container), compared(change))?;
        if change.known().next().is_some() {
            writeln!(out, "\n| what | earlier | latest | |\n|---|---|---|---|")?;
        }
        for (what, outcome) in change.known() {
            let [before, now, word] = cells(outcome);
            let cell = |value: Option<&str>| value.map_or_else(|| UNKNOWN.to_owned(), code_cell);
            writeln!(out, "| {what} | {} | {} | {} |", cell(before), cell(now), word.unwrap_or_default())?;
        }
        if let Some(list) = unknown(change) {
            writeln!(out, "\n{list}")?;
        }
    }
    if report.changes.left_out > 0 {
        writeln!(
            out,
            "\n{} not compared.",
            plural(report.changes.left_out as u64, "container is", "containers are")
        )?;
    }
    writeln!(out, "\n{BEYOND}")
}

/// Which runs are compared.
pub(in crate::report) fn compared(change: &Change) -> String {
    match change.earlier {
        Some(earlier) => format!("as told at {} and at {}", utc(earlier), utc(change.latest)),
        None => format!("as told at {}; no other run of it is in this report", utc(change.latest)),
    }
}

/// What is known of no run.
pub(in crate::report) fn unknown(change: &Change) -> Option<String> {
    let names = change.unknown();
    (!names.is_empty()).then(|| format!("Not known to gomon: {}.", names.join(", ")))
}

/// What stands above that which explains no failure.
pub(in crate::report) const REMARKS: &str = "Remarks, which explain no failure";
/// What stands for a value that was not kept.
pub(in crate::report) const UNKNOWN: &str = "not known to gomon";
/// What the comparison does not cover.
pub(in crate::report) const BEYOND: &str =
    "Code, secrets, the cluster and whatever else is not in this table: not known to gomon.";

/// Before, now, and what that means.
pub(in crate::report) fn cells(outcome: &Outcome) -> [Option<&str>; 3] {
    match outcome {
        Outcome::Changed { from, to } => [Some(from), Some(to), Some("changed")],
        Outcome::Same(value) => [Some(value), Some(value), Some("same")],
        Outcome::Only(value) => [None, Some(value), None],
        Outcome::Before(value) => [Some(value), None, None],
        Outcome::Unknown => [None, None, None],
    }
}

/// A code span does not keep a table from ending its cell at a bar.
fn code_cell(text: &str) -> String {
    if text.contains('|') { prose(text) } else { code(text) }
}

fn write_remedies(out: &mut String, report: &Postmortem) -> fmt::Result {
    writeln!(out, "\n## Remedy")?;
    for failure in report.failures().filter(|one| !one.remedy.is_empty()) {
        let of = match &failure.consequence_of {
            Some(cause) => format!(", a consequence of {}", prose(cause)),
            None => String::new(),
        };
        writeln!(
            out,
            "\nF{}, {}{of}:\n\n{}",
            failure.number,
            prose(&failure.pattern),
            fenced(&failure.remedy)
        )?;
    }
    blanks(out, Section::Remedy)
}

fn write_coverage(out: &mut String, report: &Postmortem) -> fmt::Result {
    writeln!(out, "\n## Coverage\n")?;
    for one in &report.coverage {
        let name = format!("{} ({})", one.container, one.short_id());
        writeln!(out, "- {}: watched {}", prose(&name), watched(&one.coverage, EPOCH))?;
    }
    let blind: Vec<(&Watched, &Blindness)> = report
        .coverage
        .iter()
        .flat_map(|one| one.coverage.blind.iter().map(move |blind| (one, blind)))
        .collect();
    if blind.is_empty() {
        return writeln!(out, "\nNo probe was blind and no fact was missing when these incidents were told.");
    }
    writeln!(out, "\n| container | not seen | why | cannot tell |\n|---|---|---|---|")?;
    for (one, Blindness { what, why, patterns }) in blind {
        let patterns = prose(&patterns.join(", "));
        writeln!(out, "| {} | {} | {} | {patterns} |", prose(&one.container), prose(what), prose(why))?;
    }
    writeln!(out, "\n{CANNOT_TELL}")
}

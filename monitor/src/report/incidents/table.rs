//! Incidents as a person scans them: a line each, and the timeline of one. Never wraps lines.

use std::fmt::{Display, Write};

use crate::{
    model::{
        container::Identity,
        diagnosis::{Diagnosis, Evidence},
        incident::{EPOCH, Facts, Incident},
        text::{inert, inert_short},
        time::BootNs,
    },
    report::{
        Theme,
        columns::paint,
        duration::human,
        markdown::{code, prose},
    },
};

/// Characters of a subject in the narrow table.
const SUBJECT: usize = 48;
/// Characters of any cell: padding is as long in every other line.
const CELL: usize = 512;
/// What every table has; the wide one has more.
const HEADS: [&str; 7] = ["ID", "LAST SEEN", "COUNT", "SEVERITY", "CONTAINER", "PATTERN", "SUBJECT"];
const WIDE_HEADS: [&str; 5] = ["FIRST SEEN", "CONFIDENCE", "CONSEQUENCE OF", "IMAGE", "CONTAINER ID"];
const SEVERITY_COLUMN: usize = 3;

/// The table of `incidents`, of `total` that there are.
pub(super) fn text(incidents: &[Incident], total: u64, is_wide: bool, theme: &Theme) -> String {
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let mut rows = vec![heads(is_wide)];
    rows.extend(incidents.iter().map(|one| row(one, is_wide)));
    let mut widths = vec![0; rows.first().map_or(0, Vec::len)];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let severity = number.checked_sub(1).and_then(|at| incidents.get(at));
        let last = row.len().saturating_sub(1);
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let style = match severity {
                None => theme.strong,
                Some(one) if column == SEVERITY_COLUMN => theme.severity(one.told.diagnosis.severity),
                Some(_) => anstyle::Style::new(),
            };
            let padding = if column == last { 0 } else { width - cell.chars().count() + 2 };
            put(&mut out, format_args!("{}{:padding$}", paint(style, cell), ""));
        }
        out.push('\n');
    }
    put(&mut out, format_args!("{}", hidden(incidents, total)));
    out
}

/// The same as a table of Markdown.
pub(super) fn markdown(incidents: &[Incident], total: u64) -> String {
    let mut out = "# gomon: incidents\n\n".to_owned();
    if incidents.is_empty() {
        return out + "None.\n";
    }
    put(
        &mut out,
        format_args!("| {} |\n|{}\n", HEADS.join(" | ").to_lowercase(), "---|".repeat(HEADS.len())),
    );
    for incident in incidents {
        let cells: Vec<String> = row(incident, false).iter().map(|cell| prose(cell)).collect();
        put(&mut out, format_args!("| {} |\n", cells.join(" | ")));
    }
    let hidden = hidden(incidents, total);
    if hidden.is_empty() { out } else { out + "\n" + &hidden }
}

/// What stands above one incident.
pub(super) fn heading(incident: &Incident, theme: &Theme) -> String {
    let Facts { entrypoint, go_version, libc, linkage, user, memory_limit_bytes } = &incident.told.facts;
    let memory = memory_limit_bytes.map_or_else(String::new, |bytes| bytes.to_string());
    let facts = [
        ("entrypoint", entrypoint),
        ("go", go_version),
        ("libc", libc),
        ("linkage", linkage),
        ("user", user),
        ("memory limit in bytes", &memory),
    ];
    let facts: Vec<String> = facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {}", inert(value)))
        .collect();
    let mut out = format!("{} {}\n", paint(theme.strong, "Incident"), inert(&incident.id));
    if !facts.is_empty() {
        put(&mut out, format_args!("{}\n", paint(theme.faint, facts.join(", "))));
    }
    out
}

/// The timeline over all occurrences.
pub(super) fn timeline(incident: &Incident, theme: &Theme) -> String {
    let mut out = String::new();
    let entries = entries(incident);
    if entries.is_empty() {
        return out;
    }
    put(&mut out, format_args!("\n{}\n", paint(theme.strong, "Timeline:")));
    for (time, since, one) in entries {
        let when = paint(theme.faint, format!("{time}  {since:>11}"));
        put(&mut out, format_args!("  {when}  {:7}  {}\n", one.source.name(), inert(&one.fact)));
    }
    if incident.timeline_dropped > 0 {
        put(
            &mut out,
            format_args!("  {} further pieces of evidence were not kept\n", incident.timeline_dropped),
        );
    }
    out
}

/// The same in Markdown.
pub(super) fn markdown_timeline(incident: &Incident) -> String {
    let mut out = format!("\n## Timeline\n\nIncident {}\n\n", code(&incident.id));
    out.push_str("| UTC | Δt | source | fact |\n|---|---|---|---|\n");
    for (time, since, one) in entries(incident) {
        put(&mut out, format_args!("| {time} | {since} | {} | {} |\n", one.source.name(), prose(&one.fact)));
    }
    if incident.timeline_dropped > 0 {
        put(
            &mut out,
            format_args!("\n{} further pieces of evidence were not kept.\n", incident.timeline_dropped),
        );
    }
    out
}

/// Time, time since the first of them, and what it is.
fn entries(incident: &Incident) -> Vec<(String, String, &Evidence)> {
    let origin = incident.timeline.iter().find_map(|one| one.at);
    let entry = |one: &Evidence| {
        let (at, origin) = one.at.zip(origin)?;
        Some((utc(at), format!("+{}", human(at.since(origin)))))
    };
    incident.timeline.iter().filter_map(|one| entry(one).map(|(time, since)| (time, since, one))).collect()
}

fn heads(is_wide: bool) -> Vec<String> {
    let wide = WIDE_HEADS.iter().filter(|_| is_wide);
    HEADS.iter().chain(wide).map(|&head| head.to_owned()).collect()
}

fn row(incident: &Incident, is_wide: bool) -> Vec<String> {
    let Diagnosis { container, pattern, severity, confidence, subject, .. } = &incident.told.diagnosis;
    let Diagnosis { first_seen, last_seen, count, consequence_of, .. } = &incident.told.diagnosis;
    let identity = &incident.told.identity;
    let subject = if is_wide { inert(subject).into_owned() } else { inert_short(subject, SUBJECT) };
    let mut cells = vec![
        inert(&incident.id).into_owned(),
        utc(*last_seen),
        count.to_string(),
        severity.name().to_owned(),
        named(identity, container.short()),
        inert(pattern).into_owned(),
        subject,
    ];
    if is_wide {
        let cause = consequence_of.as_deref().unwrap_or("-");
        let image = if identity.image.is_empty() { "-" } else { &identity.image };
        cells.extend([
            utc(*first_seen),
            confidence.name().to_owned(),
            inert(cause).into_owned(),
            inert(image).into_owned(),
            inert(&container.0).into_owned(),
        ]);
    }
    cells.iter().map(|cell| inert_short(cell, CELL)).collect()
}

/// `NAMESPACE/POD/NAME`, or what there is of it.
fn named(identity: &Identity, id: &str) -> String {
    let Identity { name, namespace, pod, .. } = identity;
    let name = if name.is_empty() { id } else { name };
    if pod.is_empty() {
        return inert(name).into_owned();
    }
    inert(&format!("{namespace}/{pod}/{name}")).into_owned()
}

fn hidden(incidents: &[Incident], total: u64) -> String {
    let shown = u64::try_from(incidents.len()).unwrap_or(u64::MAX);
    match total.saturating_sub(shown) {
        0 => String::new(),
        more => format!("and {more} more: --limit {total}\n"),
    }
}

fn utc(at: BootNs) -> String {
    EPOCH.rfc3339(at)
}

fn put(out: &mut String, text: impl Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{text}");
}

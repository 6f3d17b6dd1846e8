//! A conclusion as Markdown for an issue or a chat. Never lets a container's string become markup.

use std::fmt::{self, Write};

use crate::model::{
    diagnosis::{Blindness, Conclusion, Coverage, Diagnosis, Evidence},
    text::inert,
    time::BootEpoch,
};

use super::{
    columns::{blind_for, headline, meaning, origin, watched},
    duration::human,
};

/// The page of `conclusion`, which ends in a line break.
#[must_use]
pub fn page(conclusion: &Conclusion, epoch: BootEpoch) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut out, conclusion, epoch);
    out
}

/// `text` as an inline code span: its fence is longer than any run of backticks inside.
#[must_use]
pub(super) fn code(text: &str) -> String {
    let text = inert(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    if text.is_empty() || text.starts_with('`') || text.ends_with('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// `text` as prose: what Markdown or HTML would read as markup is escaped.
#[must_use]
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in inert(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '@' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out
}

/// `text` as a block of code: its fence is longer than any run of backticks inside.
#[must_use]
pub(super) fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn write_page(out: &mut String, conclusion: &Conclusion, epoch: BootEpoch) -> fmt::Result {
    let identity = &conclusion.identity;
    let name = if identity.name.is_empty() { conclusion.container.short() } else { &identity.name };
    writeln!(out, "# gomon: {}\n", prose(name))?;
    writeln!(out, "**{}**\n", prose(&headline(conclusion)))?;
    let id = format!("{}://{}", identity.runtime.name(), conclusion.container);
    writeln!(out, "- Container: {}", code(&id))?;
    for (label, value) in
        [("Namespace", &identity.namespace), ("Pod", &identity.pod), ("Image", &identity.image)]
    {
        if !value.is_empty() {
            writeln!(out, "- {label}: {}", code(value))?;
        }
    }
    if let Some(workload) = &identity.workload {
        writeln!(out, "- Workload: {}", code(&workload.to_string()))?;
    }
    for diagnosis in &conclusion.diagnoses {
        write_diagnosis(out, diagnosis, &conclusion.coverage, epoch)?;
    }
    write_coverage(out, &conclusion.coverage, epoch)
}

fn write_diagnosis(
    out: &mut String,
    diagnosis: &Diagnosis,
    coverage: &Coverage,
    epoch: BootEpoch,
) -> fmt::Result {
    writeln!(out, "\n## {}: {}\n", diagnosis.severity, diagnosis.pattern)?;
    writeln!(out, "{}\n", prose(&diagnosis.summary))?;
    if let Some(cause) = &diagnosis.consequence_of {
        writeln!(out, "- Consequence of: {cause}")?;
    }
    writeln!(out, "- Missing or wrong: {}", code(&diagnosis.subject))?;
    writeln!(out, "- How sure: {}, {}", diagnosis.confidence, meaning(diagnosis.confidence))?;
    let (first, last) = (epoch.rfc3339(diagnosis.first_seen), epoch.rfc3339(diagnosis.last_seen));
    match diagnosis.count {
        1 => writeln!(out, "- Seen: {last}")?,
        n => writeln!(out, "- Seen: {n} times, first {first}, last {last}")?,
    }
    for one in blind_for(coverage, &diagnosis.pattern) {
        writeln!(out, "- Not seen: {}: {}", prose(&one.what), prose(&one.why))?;
    }
    writeln!(out, "\n| UTC | Δt | source | fact |\n|---|---|---|---|")?;
    let origin = origin(&diagnosis.evidence);
    for Evidence { at, source, fact } in &diagnosis.evidence {
        let time = at.map_or_else(String::new, |at| epoch.rfc3339(at));
        let since =
            at.zip(origin).map_or_else(String::new, |(at, origin)| format!("+{}", human(at.since(origin))));
        writeln!(out, "| {time} | {since} | {} | {} |", source.name(), prose(fact))?;
    }
    writeln!(out, "\nRemedy:\n\n{}", fenced(&diagnosis.remedy))
}

fn write_coverage(out: &mut String, coverage: &Coverage, epoch: BootEpoch) -> fmt::Result {
    writeln!(out, "\n## Coverage\n\nWatched {}.", watched(coverage, epoch))?;
    if !coverage.blind.is_empty() {
        writeln!(out, "\n| not seen | why | cannot tell |\n|---|---|---|")?;
    }
    for Blindness { what, why, patterns } in &coverage.blind {
        writeln!(out, "| {} | {} | {} |", prose(what), prose(why), patterns.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, EPOCH};

    #[test]
    fn a_page_has_the_evidence_as_a_table_and_the_remedy_as_code() {
        let page = page(&samples::finding(), EPOCH);
        assert!(page.contains("## error: missing-interpreter\n"), "{page}");
        assert!(page.contains("| 2023-11-14T22:13:21.501Z | +1.00 ms | kernel |"), "{page}");
        assert!(page.contains("```text\nBuild without cgo:\n"), "{page}");
    }

    #[test]
    fn a_string_of_the_container_is_neither_markup_nor_the_end_of_a_fence() {
        let mut conclusion = samples::finding();
        conclusion.diagnoses[0].summary = "<img src=x> | [a](b)".to_owned();
        conclusion.diagnoses[0].subject = "a``b".to_owned();
        conclusion.diagnoses[0].remedy = "x\n```\ny".to_owned();
        let page = page(&conclusion, EPOCH);
        assert!(page.contains("&lt;img src=x&gt; \\| \\[a\\](b)"), "{page}");
        assert!(page.contains("```a``b```"), "{page}");
        assert!(page.contains("````text\nx\n```\ny\n````"), "{page}");
    }
}

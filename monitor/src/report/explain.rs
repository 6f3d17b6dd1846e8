//! The manual of the patterns, from the patterns themselves: terminal text, docs/patterns.md. No IO.

use std::fmt::{self, Write};

use crate::patterns::{Need, Pattern};

use super::{Theme, columns::paint};

const GENERATED: &str =
    "<!-- Generated from monitor/src/patterns: GOMON_UPDATE_DOCS=1 cargo test --test docs -->";

/// The patterns as a list of one line each.
#[must_use]
pub fn list(patterns: &[Pattern], theme: &Theme) -> String {
    let width = patterns.iter().map(|pattern| pattern.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Pattern { id, severity, title, .. } in patterns {
        let severity = paint(theme.severity(*severity), format!("{:7}", severity.name()));
        let _ = writeln!(out, "{}  {severity}  {title}", paint(theme.strong, format!("{id:width$}")));
    }
    out
}

/// The manual page of a pattern for a terminal.
#[must_use]
pub fn text(pattern: &Pattern, theme: &Theme) -> String {
    let mut out = String::new();
    let severity = paint(theme.severity(pattern.severity), pattern.severity.name());
    let _ = writeln!(out, "{}  {severity}\n{}", paint(theme.strong, pattern.id), pattern.title);
    for (heading, body) in sections(pattern) {
        let _ = writeln!(out, "\n{}", paint(theme.strong, heading.to_uppercase()));
        for line in body.trim().lines() {
            let indent = if line.is_empty() { "" } else { "  " };
            let _ = writeln!(out, "{indent}{line}");
        }
    }
    out
}

/// The manual page of a pattern as Markdown under a heading of `level` hashes.
#[must_use]
pub fn markdown(pattern: &Pattern, level: usize) -> String {
    let mut out = String::new();
    let hashes = "#".repeat(level);
    let _ = write_markdown(&mut out, pattern, &hashes);
    out
}

fn write_markdown(out: &mut String, pattern: &Pattern, hashes: &str) -> fmt::Result {
    writeln!(out, "{hashes} {}\n", pattern.id)?;
    writeln!(out, "{} Severity: {}.", sentence(pattern.title), pattern.severity)?;
    sections(pattern)
        .into_iter()
        .try_for_each(|(heading, body)| writeln!(out, "\n{hashes}# {heading}\n\n{}", body.trim()))
}

/// All of docs/patterns.md: each pattern with a link to its page.
#[must_use]
pub fn index(patterns: &[Pattern]) -> String {
    let mut out =
        format!("# Failure patterns\n\n{GENERATED}\n\n| pattern | severity | what failed |\n|---|---|---|\n");
    for Pattern { id, severity, title, .. } in patterns {
        let _ = writeln!(out, "| [{id}](patterns/{id}.md) | {severity} | {} |", title.replace('|', "\\|"));
    }
    out
}

/// docs/patterns/ID.md: the page that an alert points to.
#[must_use]
pub fn page(pattern: &Pattern) -> String {
    let id = pattern.id;
    let manual = markdown(pattern, 1);
    let (title, body) = manual.split_once('\n').unwrap_or((&manual, ""));
    format!(
        "{title}\n\n{GENERATED}\n{body}\n## See for yourself\n\n\
         `gomon diagnose TARGET` gives the verdict on a container, with evidence and a remedy to paste;\n\
         `gomon explain {id}` is this page. [All patterns](../patterns.md), [all alerts](../alerts.md).\n"
    )
}

/// All patterns as one Markdown document, without links to other files.
#[must_use]
pub fn book(patterns: &[Pattern]) -> String {
    let mut out = "# Failure patterns\n\n| pattern | severity | what failed |\n|---|---|---|\n".to_owned();
    for Pattern { id, severity, title, .. } in patterns {
        let _ = writeln!(out, "| [{id}](#{id}) | {severity} | {} |", title.replace('|', "\\|"));
    }
    for pattern in patterns {
        let _ = write!(out, "\n{}", markdown(pattern, 2));
    }
    out
}

fn sections(pattern: &Pattern) -> Vec<(&'static str, String)> {
    let Pattern {
        id: _,
        severity: _,
        title: _,
        symptom,
        evidence,
        look_alikes,
        remedy,
        limits,
        brought_about_by,
        needs,
        matches: _,
    } = pattern;
    let texts = [
        ("What you see", *symptom),
        ("What gomon sees", *evidence),
        ("What looks alike", *look_alikes),
        ("What to do", *remedy),
        ("What it cannot see", *limits),
    ];
    let mut sections: Vec<(&str, String)> = texts
        .into_iter()
        .filter(|(_, body)| !body.trim().is_empty())
        .map(|(name, body)| (name, body.to_owned()))
        .collect();
    if !brought_about_by.is_empty() {
        let ids: Vec<String> = brought_about_by.iter().map(|id| format!("`{id}`")).collect();
        sections.push((
            "What brings it about",
            format!(
                "Where it is found together with one of these it is their consequence: {}.",
                ids.join(", ")
            ),
        ));
    }
    if !needs.is_empty() {
        let names: Vec<String> = needs.iter().map(|need| need_text(*need)).collect();
        sections.push((
            "What it rests on",
            format!("Without these the answer is \"cannot tell\": {}.", names.join(", ")),
        ));
    }
    sections
}

fn need_text(need: Need) -> String {
    match need {
        Need::Probe(probe) => format!("the probe `{}`", probe.name()),
        Need::Config => "the container's OCI configuration".to_owned(),
        Need::Entrypoint => "the file that the container starts with".to_owned(),
        Need::Birth => "the container's start".to_owned(),
        Need::Dlopen => "the container's calls of dlopen".to_owned(),
        Need::Passwd => "the container's `/etc/passwd`".to_owned(),
        Need::Processes => "the container's processes in `/proc`".to_owned(),
        Need::CpuStat => "the container's `cpu.stat`".to_owned(),
        Need::TrustStore => "the places of root certificates".to_owned(),
        Need::WrittenFiles => "the files that it was to write".to_owned(),
    }
}

/// `title` with a full stop.
fn sentence(title: &str) -> String {
    let title = title.trim();
    if title.ends_with(['.', '!', '?']) { title.to_owned() } else { format!("{title}.") }
}

#[cfg(test)]
mod tests {
    use monitor_common::probe::Probe;

    use super::*;
    use crate::model::diagnosis::Severity;

    const PATTERN: Pattern = Pattern {
        id: "missing-interpreter",
        severity: Severity::Error,
        title: "The loader is missing",
        symptom: "`exec /app: no such file or directory`",
        evidence: "execve fails with ENOENT.\n\nThe file is there.",
        look_alikes: "",
        remedy: "    ENV CGO_ENABLED=0",
        limits: "None.",
        brought_about_by: &[],
        needs: &[Need::Probe(Probe::ExecFailed), Need::Entrypoint],
        matches: |_| Vec::new(),
    };

    #[test]
    fn the_terminal_page_is_indented_and_leaves_out_empty_sections() {
        let text = text(&PATTERN, &Theme::plain());
        assert!(
            text.starts_with("missing-interpreter  error\nThe loader is missing\n\nWHAT YOU SEE\n  `exec"),
            "{text}"
        );
        assert!(text.contains("ENOENT.\n\n  The file is there.\n"), "{text}");
        assert!(!text.contains("LOOKS ALIKE"), "{text}");
        assert!(
            text.ends_with("the probe `exec_failed`, the file that the container starts with.\n"),
            "{text}"
        );
    }

    #[test]
    fn the_book_links_every_pattern() {
        let book = book(&[PATTERN]);
        assert!(
            book.contains("| [missing-interpreter](#missing-interpreter) | error | The loader is missing |"),
            "{book}"
        );
        assert!(
            book.contains("\n## missing-interpreter\n\nThe loader is missing. Severity: error.\n"),
            "{book}"
        );
        assert!(book.contains("\n### What to do\n"), "{book}");
    }

    #[test]
    fn a_page_stands_alone_and_the_index_links_it() {
        let page = page(&PATTERN);
        assert!(page.starts_with("# missing-interpreter\n\n<!-- Generated"), "{page}");
        assert!(
            page.contains("-->\n\nThe loader is missing. Severity: error.\n\n## What you see\n"),
            "{page}"
        );
        let row =
            "| [missing-interpreter](patterns/missing-interpreter.md) | error | The loader is missing |";
        assert!(index(&[PATTERN]).contains(row));
    }

    #[test]
    fn the_list_has_a_line_for_each_pattern() {
        assert_eq!(
            list(&[PATTERN], &Theme::plain()),
            "missing-interpreter  error    The loader is missing\n"
        );
    }
}

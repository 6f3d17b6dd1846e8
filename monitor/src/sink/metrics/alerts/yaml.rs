//! The rules as the YAML that Prometheus reads.

use std::fmt::Write as _;

use super::{Alert, PAGES, RECORDINGS, Recording, of_findings, of_gomon};

/// All of deploy/prometheus/gomon.rules.yaml.
#[must_use]
pub fn rules() -> String {
    let mut out =
        "# Generated from monitor/src/sink/metrics/alerts: GOMON_UPDATE_DOCS=1 cargo test --test docs\n\
                   # docs/alerts.md tells what to do about each alert.\n\
                   groups:\n  - name: gomon-recording\n    rules:\n"
            .to_owned();
    for Recording { name, expr, about: _ } in RECORDINGS {
        let _ = write!(out, "      - record: {name}\n        expr: {}", literal(expr));
    }
    for (group, alerts) in [("gomon-findings", of_findings()), ("gomon-agent", of_gomon())] {
        let _ = write!(out, "\n  - name: {group}\n    rules:\n");
        for alert in &alerts {
            add(&mut out, alert);
        }
    }
    out
}

fn add(out: &mut String, alert: &Alert) {
    let Alert { name, expr, minutes, urgency, summary, description, runbook } = alert;
    let _ = write!(
        out,
        "      - alert: {name}\n        expr: {}        for: {minutes}m\n        labels:\n          severity: '{}'\n",
        literal(expr),
        urgency.label(),
    );
    let _ = write!(
        out,
        "        annotations:\n          summary: {}          description: {}          runbook_url: {PAGES}/{runbook}\n",
        folded(summary),
        literal(description),
    );
}

/// A block that keeps its lines, under a key in column 8 or 10.
fn literal(text: &str) -> String {
    block("|-", text)
}

/// One line, whatever signs are in it.
fn folded(text: &str) -> String {
    block(">-", text)
}

fn block(head: &str, text: &str) -> String {
    let mut out = format!("{head}\n");
    for line in text.lines() {
        let indent = if line.is_empty() { "" } else { "            " };
        let _ = writeln!(out, "{indent}{line}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_lines_and_has_no_blanks_at_their_end() {
        assert_eq!(literal("a: b\n\n  c"), "|-\n            a: b\n\n              c\n");
    }
}

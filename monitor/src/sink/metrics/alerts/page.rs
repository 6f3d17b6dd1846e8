//! docs/alerts.md: what each alert means and what to do about it.

use std::fmt::Write as _;

use super::{Alert, RECORDINGS, Recording, Urgency, of_findings, of_gomon};

const HEAD: &str = "# Alerts\n\n\
    <!-- Generated from monitor/src/sink/metrics/alerts: GOMON_UPDATE_DOCS=1 cargo test --test docs -->\n\n\
    The rules are in [gomon.rules.yaml](../deploy/prometheus/gomon.rules.yaml);\n\
    [deploy/prometheus](../deploy/prometheus/README.md) says how to load them. They expect the scrape job to be called\n\
    `gomon` and to have `honor_labels: true`.\n\n\
    ## Findings in containers\n\n\
    Each pattern whose findings are more than remarks has an alert. It fires with the first occurrence and stays for as\n\
    long as `gomon_diagnosis_active` is 1, and 3 minutes longer: a restart of the agent does not end it. Errors are\n\
    `critical` and fire at once, warnings are `warning` and fire after 5 minutes. Remarks of severity info raise none.\n\
    The page of the pattern says what to do.\n\n";

/// All of docs/alerts.md.
#[must_use]
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("| alert | for | what failed | page |\n|---|---|---|---|\n");
    for Alert { name, minutes, summary, runbook, .. } in of_findings() {
        let summary = summary.replace('|', "\\|");
        let _ = writeln!(out, "| `{name}` | {minutes}m | {summary} | [{runbook}]({runbook}) |");
    }
    out.push_str("\n## gomon itself\n\n| alert | severity | for | what is wrong |\n|---|---|---|---|\n");
    let own = of_gomon();
    for Alert { name, minutes, urgency, summary, .. } in &own {
        let (anchor, urgency) = (name.to_ascii_lowercase(), urgency_name(*urgency));
        let _ = writeln!(out, "| [{name}](#{anchor}) | {urgency} | {minutes}m | {summary} |");
    }
    for Alert { name, expr, summary, description, .. } in &own {
        let description = plain(description);
        let _ = write!(out, "\n### {name}\n\n{summary}\n\n```promql\n{expr}\n```\n\n{description}\n");
    }
    out.push_str("\n## Recording rules\n\n| series | meaning |\n|---|---|\n");
    for Recording { name, about, .. } in RECORDINGS {
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    out
}

/// `{{ $labels.probe }}` and `{{ $value | humanize }}` as what they stand for.
fn plain(template: &str) -> String {
    let mut parts = template.split("{{ ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once(" }}").unwrap_or((part, ""));
        let name = inside.split(' ').next().unwrap_or_default().trim_start_matches("$labels.");
        let _ = write!(out, "*{}*{rest}", name.trim_start_matches('$'));
    }
    out
}

fn urgency_name(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Critical => "critical",
        Urgency::Warning => "warning",
        Urgency::Info => "info",
        Urgency::OfFinding => "critical or warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_told_by_the_names_in_it() {
        let template = "The probe {{ $labels.probe }} lost {{ $value | humanize }} events.";
        assert_eq!(plain(template), "The probe *probe* lost *value* events.");
    }
}

//! The alerting and recording rules for Prometheus, from the catalogue and the closed list of metrics. Never evaluates any.

mod findings;
mod own;
mod page;
mod recording;
mod yaml;

pub use page::page;
pub use recording::{RECORDINGS, Recording};
pub use yaml::rules;

/// Where the pages are that alerts point to.
const PAGES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs");

/// How urgent an alert is: its label `severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    Critical,
    Warning,
    Info,
    /// Critical for an error, warning for a warning: a pattern's findings are not all equally grave.
    OfFinding,
}

impl Urgency {
    /// The value of the label, a template of Prometheus where it depends on the finding.
    const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::OfFinding => r#"{{ if eq $labels.severity "error" }}critical{{ else }}warning{{ end }}"#,
        }
    }
}

/// One alerting rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub name: String,
    pub expr: String,
    /// How long the expression has to hold; 0: not at all.
    pub minutes: u32,
    pub urgency: Urgency,
    /// The same for every alert of the rule.
    pub summary: String,
    /// What, why, and what to do. A template of Prometheus.
    pub description: String,
    /// Its page below docs/.
    pub runbook: String,
}

/// Alerts about containers: one for each pattern whose findings are more than remarks, and one for all others.
#[must_use]
pub fn of_findings() -> Vec<Alert> {
    findings::alerts()
}

/// Alerts about gomon itself.
#[must_use]
pub fn of_gomon() -> Vec<Alert> {
    own::alerts()
}

/// Text that a template of Prometheus leaves as it is.
fn verbatim(text: &str) -> String {
    text.replace("{{", r#"{{ "{{" }}"#)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_in_camel_case() {
        let alerts = [of_findings(), of_gomon()].concat();
        let names: BTreeSet<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();
        assert_eq!(names.len(), alerts.len());
        for name in names {
            let rest = name.strip_prefix("Gomon").unwrap();
            assert!(rest.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
            assert!(rest.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        }
    }

    #[test]
    fn what_the_catalogue_says_is_no_template() {
        assert_eq!(verbatim("docker inspect -f '{{.Id}}'"), r#"docker inspect -f '{{ "{{" }}.Id}}'"#);
    }

    #[test]
    fn no_alert_compares_the_clock_of_the_node_with_that_of_prometheus() {
        for alert in [of_findings(), of_gomon()].concat() {
            let compares = ["time()", "timestamp(", "_timestamp_seconds", "_start_time_seconds"];
            assert!(!compares.iter().any(|one| alert.expr.contains(one)), "{}: {}", alert.name, alert.expr);
        }
    }
}

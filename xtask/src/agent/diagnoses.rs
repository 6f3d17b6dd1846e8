//! The diagnoses of the agent's API, as far as project tasks look at them.

use anyhow::{Context, Result};
use serde::Deserialize;

const SCHEMA: u32 = 1;

#[derive(Deserialize)]
struct Report {
    schema_version: u32,
    diagnoses: Vec<Diagnosis>,
}

/// The part of a diagnosis that project tasks judge and show.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Diagnosis {
    pub(crate) pattern: String,
    pub(crate) severity: String,
    pub(crate) confidence: String,
    pub(crate) subject: String,
    pub(crate) summary: String,
    #[serde(default)]
    pub(crate) evidence: Vec<Evidence>,
    #[serde(default)]
    pub(crate) remedy: String,
    pub(crate) count: u64,
    pub(crate) target: Target,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Evidence {
    /// `None` for a standing fact.
    pub(crate) time: Option<String>,
    pub(crate) source: String,
    pub(crate) fact: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) container_id: String,
    pub(crate) name: String,
    pub(crate) image: String,
}

/// Reads an answer of the API.
pub(crate) fn parse(json: &str) -> Result<Vec<Diagnosis>> {
    let report: Report = serde_json::from_str(json).context("the diagnoses are not as the API promises")?;
    anyhow::ensure!(
        report.schema_version == SCHEMA,
        "schema version {} instead of {SCHEMA}",
        report.schema_version
    );
    Ok(report.diagnoses)
}

impl Diagnosis {
    /// Whether it is about this container. Either side may have shortened the id.
    pub(crate) fn is_about(&self, container_id: &str) -> bool {
        const SHORT: usize = 12;
        let (a, b) = (self.target.container_id.as_str(), container_id);
        a.len() >= SHORT && b.len() >= SHORT && (a.starts_with(b) || b.starts_with(a))
    }

    /// At or above severity warning.
    pub(crate) fn is_harsh(&self) -> bool {
        self.severity != "info"
    }

    /// Pattern, severity and confidence on a line.
    pub(crate) fn heading(&self) -> String {
        format!("{} ({}, {})", self.pattern, self.severity, self.confidence)
    }

    /// Everything below the heading, a line for each.
    pub(crate) fn details(&self) -> Vec<String> {
        self.lines(|evidence| format!("- {}: {}", plain(&evidence.source), plain(&evidence.fact)))
    }

    /// The details with the times of the evidence.
    pub(crate) fn timed_details(&self) -> Vec<String> {
        self.lines(|Evidence { time, source, fact }| {
            let time = time.as_deref().unwrap_or("standing");
            format!("- {} {}: {}", plain(time), plain(source), plain(fact))
        })
    }

    fn lines(&self, evidence: fn(&Evidence) -> String) -> Vec<String> {
        let mut lines = vec![plain(&self.summary)];
        lines.extend(self.evidence.iter().map(evidence));
        lines.extend(self.remedy.lines().map(|line| format!("> {}", plain(line))));
        lines
    }
}

/// Names come from containers, and the terminal is ours.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_container_is_found_by_a_shortened_id() {
        let json = format!(
            r#"{{"schema_version":1,"diagnoses":[{{"pattern":"oom-kill","severity":"error","confidence":"certain",
            "subject":"x","summary":"s","evidence":[{{"time":null,"source":"files","fact":"f"}}],"remedy":"r","count":1,
            "target":{{"name":"n","image":"i","container_id":"{ID}"}}}}]}}"#
        );
        let one = parse(&json).unwrap().remove(0);
        assert!(one.is_about(ID) && one.is_about(&ID[..12]));
        assert!(!one.is_about(&ID[..11]) && !one.is_about("fedcba9876543210"));
        assert_eq!(one.timed_details()[1], "- standing files: f");
    }

    #[test]
    fn another_schema_is_refused() {
        assert!(parse(r#"{"schema_version":2,"diagnoses":[]}"#).is_err());
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }
}

//! The alerts about containers, from the patterns: name, urgency, summary and advice. Never decides what a finding is.

use crate::{
    model::diagnosis::Severity,
    patterns::{CATALOGUE, Pattern},
};

use super::{
    super::table::DIAGNOSIS_ACTIVE,
    {Alert, Urgency, verbatim},
};

/// A restart of the agent, or a scrape that fails, ends no alert.
const BRIDGE: &str = "3m";
/// A warning that is over so soon was about a container that nobody misses. More than the bridge, which makes it longer.
const WARNING_MINUTES: u32 = 5;

/// Names the container, as a template.
const WHO: &str = "Container {{ $labels.container }}{{ if $labels.pod }} of pod {{ $labels.namespace }}/{{ $labels.pod }}\
                   {{ end }} on {{ $labels.instance }}";
/// What to ask gomon on that node, as a template.
const ASK: &str = "Its evidence, and a remedy to paste: gomon diagnose {{ if $labels.pod }}{{ $labels.namespace }}/\
                   {{ $labels.pod }}/{{ end }}{{ $labels.container }}";

pub(super) fn alerts() -> Vec<Alert> {
    let named = CATALOGUE.iter().filter(|pattern| has_alert(pattern));
    named.map(of_pattern).chain([of_others()]).collect()
}

/// Remarks of severity info are for those who ask.
fn has_alert(pattern: &Pattern) -> bool {
    pattern.severity > Severity::Info
}

fn of_pattern(pattern: &Pattern) -> Alert {
    let Pattern { id, severity, title, remedy, .. } = pattern;
    let remedy = remedy.trim().split("\n\n").next().unwrap_or_default();
    Alert {
        name: name(id),
        expr: expr(&format!(r#"pattern="{id}""#)),
        minutes: if *severity == Severity::Error { 0 } else { WARNING_MINUTES },
        urgency: Urgency::OfFinding,
        summary: format!("{title}."),
        description: format!("{WHO}: {}.\n\nWhat to do: {}\n\n{ASK}", verbatim(title), verbatim(remedy)),
        runbook: format!("patterns/{id}.md"),
    }
}

/// What is ordinarily a remark and was more this time, and patterns that an agent knows and these rules do not.
fn of_others() -> Alert {
    let ids: Vec<&str> =
        CATALOGUE.iter().filter(|pattern| has_alert(pattern)).map(|pattern| pattern.id).collect();
    Alert {
        name: "GomonOtherFinding".to_owned(),
        expr: expr(&format!(r#"pattern!~"{}""#, ids.join("|"))),
        minutes: WARNING_MINUTES,
        urgency: Urgency::OfFinding,
        summary: "A container has a finding whose pattern has no alert of its own.".to_owned(),
        description: format!("{WHO}: {{{{ $labels.pattern }}}}.\n\n{ASK}"),
        runbook: "patterns.md".to_owned(),
    }
}

/// A gauge, so that the first failure of a container that is seen for the first time counts like any other.
fn expr(pattern: &str) -> String {
    let active = DIAGNOSIS_ACTIVE.name;
    format!(r#"max_over_time({active}{{{pattern},severity=~"error|warning"}}[{BRIDGE}]) == 1"#)
}

/// `missing-interpreter` is `GomonMissingInterpreter`.
fn name(id: &str) -> String {
    let words = id.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    format!("Gomon{}", words.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_becomes_a_name() {
        assert_eq!(name("missing-interpreter"), "GomonMissingInterpreter");
        assert_eq!(name("clone3-denied"), "GomonClone3Denied");
    }

    #[test]
    fn every_pattern_that_is_no_remark_has_its_alert_and_page_and_none_is_left_to_the_others_as_well() {
        let alerts = alerts();
        let others = &alerts.last().unwrap().expr;
        for pattern in CATALOGUE {
            let own = alerts.iter().filter(|alert| alert.runbook == format!("patterns/{}.md", pattern.id));
            let is_remark = pattern.severity == Severity::Info;
            assert_eq!(own.count(), usize::from(!is_remark), "{}", pattern.id);
            let is_left = !others.split(['"', '|']).any(|id| id == pattern.id);
            assert_eq!(is_left, is_remark, "{}", pattern.id);
        }
    }
}

//! Which of several diagnoses of one container is the cause, and which its consequence. Pure.

use std::cmp::Reverse;

use super::find;
use crate::model::{
    diagnosis::{Diagnosis, Severity},
    time::SECOND,
};

/// A cause may be told a little after its consequence: a fact comes late.
const LATE_NS: u64 = 2 * SECOND;

/// Marks consequences and puts all diagnoses of one container into order: what informs comes last; of the others causes
/// before consequences, the most severe first, then the surest, then the oldest.
pub fn rank(diagnoses: &mut [Diagnosis]) {
    let causes: Vec<Option<String>> = diagnoses.iter().map(|one| cause(one, diagnoses)).collect();
    for (diagnosis, cause) in diagnoses.iter_mut().zip(causes) {
        diagnosis.consequence_of = cause;
    }
    diagnoses.sort_by_key(|one| {
        let is_information = one.severity == Severity::Info;
        (
            is_information,
            one.consequence_of.is_some(),
            Reverse((one.severity, one.confidence)),
            one.first_seen,
        )
    });
}

/// The pattern of another diagnosis that brought this one about.
fn cause(of: &Diagnosis, all: &[Diagnosis]) -> Option<String> {
    let patterns = find(&of.pattern)?.brought_about_by;
    let is_cause = |other: &&Diagnosis| {
        patterns.contains(&other.pattern.as_str())
            && other.severity > Severity::Info
            && other.first_seen.0 <= of.last_seen.0.saturating_add(LATE_NS)
    };
    all.iter().find(is_cause).map(|other| other.pattern.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            container::ContainerId,
            diagnosis::Confidence,
            time::{BootNs, MS},
        },
        patterns::CATALOGUE,
    };

    fn diagnosis(pattern: &str, severity: Severity, at_ms: u64) -> Diagnosis {
        Diagnosis {
            container: ContainerId("web".into()),
            pattern: pattern.to_owned(),
            severity,
            confidence: Confidence::Certain,
            subject: String::new(),
            summary: String::new(),
            evidence: Vec::new(),
            remedy: String::new(),
            first_seen: BootNs(at_ms * MS),
            last_seen: BootNs(at_ms * MS),
            count: 1,
            consequence_of: None,
        }
    }

    fn order(mut diagnoses: Vec<Diagnosis>) -> Vec<String> {
        rank(&mut diagnoses);
        diagnoses.into_iter().map(|one| one.pattern).collect()
    }

    #[test]
    fn errors_come_before_warnings_and_information_comes_last() {
        let all = vec![
            diagnosis("secrets-in-environment", Severity::Info, 1),
            diagnosis("sigterm-ignored", Severity::Warning, 2),
            diagnosis("oom-kill", Severity::Error, 3),
        ];
        assert_eq!(order(all), ["oom-kill", "sigterm-ignored", "secrets-in-environment"]);
    }

    #[test]
    fn every_cause_that_a_pattern_names_is_a_pattern_and_not_itself() {
        for pattern in CATALOGUE {
            for cause in pattern.brought_about_by {
                assert!(find(cause).is_some(), "{}: {cause}", pattern.id);
                assert_ne!(*cause, pattern.id);
            }
        }
    }

    #[test]
    fn a_consequence_names_its_cause_and_stands_behind_it() {
        let Some((pattern, cause)) =
            CATALOGUE.iter().find_map(|pattern| Some((pattern.id, *pattern.brought_about_by.first()?)))
        else {
            return;
        };
        let mut all = vec![diagnosis(pattern, Severity::Error, 5), diagnosis(cause, Severity::Warning, 4)];
        rank(&mut all);
        assert_eq!(all[0].pattern, cause);
        assert_eq!(all[1].consequence_of.as_deref(), Some(cause));
        // What only informs is no cause of anything.
        let mut all = vec![diagnosis(pattern, Severity::Error, 5), diagnosis(cause, Severity::Info, 4)];
        rank(&mut all);
        assert_eq!(all[0].consequence_of, None);
    }
}

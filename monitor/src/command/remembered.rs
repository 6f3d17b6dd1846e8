//! What a running agent remembers of a container, asked over its unix socket: it saw what a late command cannot.

use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;

use super::ask;
use crate::{
    model::{
        container::ContainerId,
        diagnosis::{Conclusion, Confidence, Diagnosis, Evidence, Meaning, Severity, Source, Verdict},
        time::{BootEpoch, BootNs},
    },
    patterns::rank,
    when::Since,
};

/// Bytes of an answer about one container.
const MAX_ANSWER: usize = 4 << 20;

#[derive(Deserialize)]
struct Answer {
    schema_version: u32,
    diagnoses: Vec<Remembered>,
}

#[derive(Deserialize)]
struct Remembered {
    pattern: String,
    severity: Severity,
    confidence: Confidence,
    subject: String,
    summary: String,
    evidence: Vec<RememberedEvidence>,
    remedy: String,
    first_seen: Timestamp,
    last_seen: Timestamp,
    count: u64,
}

#[derive(Deserialize)]
struct RememberedEvidence {
    time: Option<Timestamp>,
    source: Source,
    fact: String,
}

/// The diagnoses that the agent behind `socket` has of a container.
pub(super) async fn ask(
    socket: &Path,
    container: &ContainerId,
    since: Option<Since>,
    epoch: BootEpoch,
) -> Result<Vec<Diagnosis>> {
    let body = ask::get_ok(socket, &path(container, since), MAX_ANSWER).await?;
    let answer: Answer = serde_json::from_slice(&body).context("the agent's answer is not understood")?;
    if answer.schema_version != 1 {
        bail!("the agent answers in version {} of the schema, this gomon reads 1", answer.schema_version);
    }
    Ok(answer.diagnoses.into_iter().map(|one| one.into_diagnosis(container, epoch)).collect())
}

fn path(container: &ContainerId, since: Option<Since>) -> String {
    let since = since.map_or_else(String::new, |since| format!("&since={}", since.start(Timestamp::now())));
    format!("/api/v1/diagnoses?container={}{since}", container.0)
}

impl Remembered {
    fn into_diagnosis(self, container: &ContainerId, epoch: BootEpoch) -> Diagnosis {
        let boot = |time: Timestamp| {
            let since_boot = time.as_nanosecond() - i128::from(epoch.0);
            BootNs(u64::try_from(since_boot).unwrap_or(0))
        };
        let evidence = self.evidence.into_iter().map(|one| Evidence {
            at: one.time.map(boot),
            source: one.source,
            fact: one.fact,
        });
        Diagnosis {
            container: container.clone(),
            pattern: self.pattern,
            severity: self.severity,
            confidence: self.confidence,
            subject: self.subject,
            summary: self.summary,
            evidence: evidence.collect(),
            remedy: self.remedy,
            first_seen: boot(self.first_seen),
            last_seen: boot(self.last_seen),
            count: self.count,
            consequence_of: None,
        }
    }
}

/// Adds what the agent remembers; of the same finding the surer one stays.
pub(super) fn add(conclusion: &mut Conclusion, remembered: Vec<Diagnosis>) {
    for diagnosis in remembered {
        let same =
            |known: &&mut Diagnosis| known.pattern == diagnosis.pattern && known.subject == diagnosis.subject;
        match conclusion.diagnoses.iter_mut().find(same) {
            Some(known) if known.confidence >= diagnosis.confidence && known.count >= diagnosis.count => {}
            Some(known) => *known = diagnosis,
            None => conclusion.diagnoses.push(diagnosis),
        }
    }
    // The agent saw what this pattern rests on.
    for blindness in &mut conclusion.coverage.blind {
        blindness.patterns.retain(|id| conclusion.diagnoses.iter().all(|one| one.pattern != *id));
    }
    conclusion.coverage.blind.retain(|blindness| !blindness.patterns.is_empty());
    rank(&mut conclusion.diagnoses);
    if conclusion.diagnoses.iter().any(|one| one.severity > Severity::Info) {
        conclusion.verdict = Verdict::Findings;
        if let Some(ending) =
            conclusion.ending.as_mut().filter(|ending| ending.meaning == Meaning::Unexplained)
        {
            ending.meaning = Meaning::Explained;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::time::MS, report::samples};

    #[test]
    fn the_surer_finding_stays_and_an_inconclusive_answer_becomes_one_with_findings() {
        let mut conclusion = samples::inconclusive();
        add(&mut conclusion, Vec::new());
        assert_eq!(conclusion.verdict, Verdict::Inconclusive);
        let certain = samples::diagnosis();
        add(&mut conclusion, vec![certain.clone()]);
        assert_eq!((conclusion.verdict, conclusion.diagnoses.len()), (Verdict::Findings, 1));
        add(&mut conclusion, vec![Diagnosis { confidence: Confidence::Medium, count: 1, ..certain.clone() }]);
        assert_eq!(conclusion.diagnoses, [certain]);
    }

    #[test]
    fn times_of_the_agents_answer_count_from_boot() {
        let json = r#"{"schema_version":1,"diagnoses":[{"target":{"name":"x"},"pattern":"oom-kill","severity":"error",
            "confidence":"certain","subject":"PID 1","summary":"s","evidence":[{"time":null,"source":"files","fact":"f"}],
            "remedy":"r","first_seen":"2023-11-14T22:13:21.500Z","last_seen":"2023-11-14T22:13:21.500Z","count":2}]}"#;
        let mut answer: Answer = serde_json::from_str(json).unwrap();
        let diagnosis = answer.diagnoses.remove(0).into_diagnosis(&samples::container(), samples::EPOCH);
        assert_eq!((diagnosis.first_seen, diagnosis.count), (BootNs(1_500 * MS), 2));
    }
}

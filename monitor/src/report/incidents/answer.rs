//! Reads the documents of another gomon back: what an agent answers. Never trusts it to be of this version.

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    model::{
        container::{ContainerId, Identity, Runtime},
        diagnosis::{
            Blindness, Confidence, Coverage, Diagnosis, Ending, Evidence, Meaning, Severity, Source,
        },
        incident::{Facts, Incident, Told},
        text::inert,
        time::BootNs,
        workload::Workload,
    },
    report::json::SCHEMA_VERSION,
};

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("the agent's answer is not understood")]
    Json(#[from] serde_json::Error),
    #[error("the agent answers in version {found} of the schema, this gomon reads {SCHEMA_VERSION}")]
    Version { found: u32 },
}

/// The incidents of a list, and how many there are.
pub fn read(text: &[u8]) -> Result<(Vec<Incident>, u64), AnswerError> {
    let Listed { total, incidents } = checked(text)?;
    Ok((incidents.into_iter().map(Item::into_incident).collect(), total))
}

/// One incident.
pub fn read_one(text: &[u8]) -> Result<Incident, AnswerError> {
    let One { incident } = checked(text)?;
    Ok(incident.into_incident())
}

fn checked<T: DeserializeOwned>(text: &[u8]) -> Result<T, AnswerError> {
    let Versioned { schema_version: found } = serde_json::from_slice(text)?;
    if found == SCHEMA_VERSION {
        Ok(serde_json::from_slice(text)?)
    } else {
        Err(AnswerError::Version { found })
    }
}

#[derive(Deserialize)]
struct Versioned {
    schema_version: u32,
}

#[derive(Deserialize)]
struct Listed {
    total: u64,
    incidents: Vec<Item>,
}

#[derive(Deserialize)]
struct One {
    incident: Item,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    target: Target,
    pattern: String,
    severity: Severity,
    confidence: Confidence,
    subject: String,
    summary: String,
    evidence: Vec<EvidenceItem>,
    remedy: String,
    first_seen: Timestamp,
    last_seen: Timestamp,
    count: u64,
    consequence_of: Option<String>,
    facts: Facts,
    exit: Option<Exit>,
    coverage: CoverageItem,
    gomon_version: String,
    #[serde(default)]
    timeline: Vec<EvidenceItem>,
    #[serde(default)]
    timeline_dropped: u64,
}

#[derive(Deserialize)]
struct Target {
    container_id: String,
    name: String,
    image: String,
    namespace: String,
    pod: String,
    runtime: Runtime,
    workload: Option<Box<Workload>>,
}

#[derive(Deserialize)]
struct EvidenceItem {
    time: Option<Timestamp>,
    source: Source,
    fact: String,
}

impl EvidenceItem {
    fn into_evidence(self) -> Evidence {
        Evidence { at: self.time.map(since_1970), source: self.source, fact: inert(&self.fact).into_owned() }
    }
}

#[derive(Deserialize)]
struct Exit {
    time: Option<Timestamp>,
    code: i64,
    meaning: Meaning,
}

#[derive(Deserialize)]
struct CoverageItem {
    from: Timestamp,
    to: Timestamp,
    attached_before_start: bool,
    events_lost: u64,
    blind: Vec<Blindness>,
}

fn since_1970(time: Timestamp) -> BootNs {
    BootNs(u64::try_from(time.as_nanosecond()).unwrap_or(0))
}

impl Item {
    fn into_incident(self) -> Incident {
        let Target { container_id, name, image, namespace, pod, runtime, workload } = self.target;
        let CoverageItem { from, to, attached_before_start, events_lost, blind } = self.coverage;
        let evidence = |all: Vec<EvidenceItem>| all.into_iter().map(EvidenceItem::into_evidence).collect();
        let diagnosis = Diagnosis {
            container: ContainerId(container_id.into()),
            pattern: self.pattern,
            severity: self.severity,
            confidence: self.confidence,
            subject: self.subject,
            summary: self.summary,
            evidence: evidence(self.evidence),
            remedy: self.remedy,
            first_seen: since_1970(self.first_seen),
            last_seen: since_1970(self.last_seen),
            count: self.count,
            consequence_of: self.consequence_of,
        };
        let coverage = Coverage {
            from: since_1970(from),
            to: since_1970(to),
            attached_before_start,
            events_lost,
            blind,
        };
        let told = Told {
            diagnosis,
            identity: Identity { name, image, namespace, pod, pod_uid: String::new(), runtime, workload },
            facts: self.facts,
            ending: self.exit.map(|Exit { time, code, meaning }| Ending {
                at: time.map(since_1970),
                code,
                meaning,
            }),
            coverage,
            version: self.gomon_version,
        };
        Incident {
            id: self.id,
            told: told.made_inert(),
            timeline: evidence(self.timeline),
            timeline_dropped: self.timeline_dropped,
        }
    }
}

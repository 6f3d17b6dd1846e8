//! The published JSON of a conclusion, docs/diagnose.schema.json. Never changes a field without a new schema version.

use std::borrow::Cow;

use serde::Serialize;

use crate::model::{
    container::{ContainerId, Identity},
    diagnosis::{Blindness, Conclusion, Coverage, Diagnosis, Ending, Evidence},
    text::inert,
    time::{BootEpoch, BootNs},
    workload::Workload,
};

/// The version of the schema that every document names.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema of [`Document`] and, under `$defs/diagnoses_document`, of [`Diagnoses`].
pub const SCHEMA: &str = include_str!("../../../docs/diagnose.schema.json");

/// The answer about one container: `gomon diagnose -o json`.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema_version: u32,
    target: Target<'a>,
    verdict: &'static str,
    diagnoses: Vec<Item<'a>>,
    exit: Option<ExitItem>,
    coverage: CoverageItem<'a>,
}

impl<'a> Document<'a> {
    /// The document of a conclusion; `epoch` turns its times into UTC.
    #[must_use]
    pub fn new(conclusion: &'a Conclusion, epoch: BootEpoch) -> Self {
        let Conclusion { container, identity, verdict, diagnoses, ending, coverage } = conclusion;
        Self {
            schema_version: SCHEMA_VERSION,
            target: Target::new(container, identity),
            verdict: verdict.name(),
            diagnoses: diagnoses.iter().map(|diagnosis| Item::new(diagnosis, epoch)).collect(),
            exit: ending.as_ref().map(|ending| ExitItem::new(ending, epoch)),
            coverage: CoverageItem::new(coverage, epoch),
        }
    }
}

/// Diagnoses of any number of containers: the agent's `/api/v1/diagnoses`.
#[derive(Debug, Serialize)]
pub struct Diagnoses<'a> {
    schema_version: u32,
    diagnoses: Vec<Targeted<'a>>,
}

impl<'a> Diagnoses<'a> {
    /// The document of `diagnoses`, each with the names of its container.
    pub fn new(diagnoses: impl Iterator<Item = (&'a Diagnosis, &'a Identity)>, epoch: BootEpoch) -> Self {
        let diagnoses =
            diagnoses.map(|(diagnosis, identity)| Targeted::new(diagnosis, identity, epoch)).collect();
        Self { schema_version: SCHEMA_VERSION, diagnoses }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Targeted<'a> {
    target: Target<'a>,
    #[serde(flatten)]
    item: Item<'a>,
}

impl<'a> Targeted<'a> {
    pub(super) fn new(diagnosis: &'a Diagnosis, identity: &'a Identity, epoch: BootEpoch) -> Self {
        Self { target: Target::new(&diagnosis.container, identity), item: Item::new(diagnosis, epoch) }
    }
}

#[derive(Debug, Serialize)]
struct Target<'a> {
    container_id: Cow<'a, str>,
    name: Cow<'a, str>,
    image: Cow<'a, str>,
    namespace: Cow<'a, str>,
    pod: Cow<'a, str>,
    runtime: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<WorkloadItem<'a>>,
}

#[derive(Debug, Serialize)]
struct WorkloadItem<'a> {
    kind: &'static str,
    name: Cow<'a, str>,
    confidence: &'static str,
}

impl<'a> Target<'a> {
    fn new(container: &'a ContainerId, identity: &'a Identity) -> Self {
        let Identity { name, image, namespace, pod, pod_uid: _, runtime, workload } = identity;
        Self {
            container_id: inert(&container.0),
            name: inert(name),
            image: inert(image),
            namespace: inert(namespace),
            pod: inert(pod),
            runtime: runtime.name(),
            workload: workload.as_deref().map(|Workload { kind, name, confidence }| WorkloadItem {
                kind: kind.name(),
                name: inert(name),
                confidence: confidence.name(),
            }),
        }
    }
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    pattern: &'a str,
    severity: &'static str,
    confidence: &'static str,
    subject: &'a str,
    summary: &'a str,
    evidence: Vec<EvidenceItem<'a>>,
    remedy: &'a str,
    first_seen: String,
    last_seen: String,
    count: u64,
    /// The pattern of the diagnosis that brought this one about.
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence_of: Option<&'a str>,
}

impl<'a> Item<'a> {
    fn new(diagnosis: &'a Diagnosis, epoch: BootEpoch) -> Self {
        let Diagnosis {
            container: _,
            pattern,
            severity,
            confidence,
            subject,
            summary,
            evidence,
            remedy,
            first_seen,
            last_seen,
            count,
            consequence_of,
        } = diagnosis;
        Self {
            pattern,
            severity: severity.name(),
            confidence: confidence.name(),
            subject,
            summary,
            evidence: evidence.iter().map(|one| EvidenceItem::new(one, epoch)).collect(),
            remedy,
            first_seen: epoch.rfc3339(*first_seen),
            last_seen: epoch.rfc3339(*last_seen),
            count: *count,
            consequence_of: consequence_of.as_deref(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct EvidenceItem<'a> {
    /// RFC 3339; null for a standing fact.
    time: Option<String>,
    source: &'static str,
    fact: &'a str,
}

impl<'a> EvidenceItem<'a> {
    pub(super) fn new(evidence: &'a Evidence, epoch: BootEpoch) -> Self {
        let Evidence { at, source, fact } = evidence;
        Self { time: at.map(|at| epoch.rfc3339(at)), source: source.name(), fact }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ExitItem {
    time: Option<String>,
    code: i64,
    meaning: &'static str,
}

impl ExitItem {
    pub(super) fn new(ending: &Ending, epoch: BootEpoch) -> Self {
        let Ending { at, code, meaning } = ending;
        Self { time: at.map(|at| epoch.rfc3339(at)), code: *code, meaning: meaning.name() }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct CoverageItem<'a> {
    from: String,
    to: String,
    attached_before_start: bool,
    events_lost: u64,
    blind: Vec<BlindItem<'a>>,
}

impl<'a> CoverageItem<'a> {
    pub(super) fn new(coverage: &'a Coverage, epoch: BootEpoch) -> Self {
        let Coverage { from, to, attached_before_start, events_lost, blind } = coverage;
        let time = |at: &BootNs| epoch.rfc3339(*at);
        Self {
            from: time(from),
            to: time(to),
            attached_before_start: *attached_before_start,
            events_lost: *events_lost,
            blind: blind.iter().map(BlindItem::new).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct BlindItem<'a> {
    what: Cow<'a, str>,
    why: Cow<'a, str>,
    patterns: &'a [String],
}

impl<'a> BlindItem<'a> {
    fn new(blindness: &'a Blindness) -> Self {
        let Blindness { what, why, patterns } = blindness;
        Self { what: inert(what), why: inert(why), patterns }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::{
        samples::{self, EPOCH},
        schema,
    };

    fn published() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    fn document(conclusion: &Conclusion) -> Value {
        serde_json::to_value(Document::new(conclusion, EPOCH)).unwrap()
    }

    #[test]
    fn every_verdict_fits_the_published_schema() {
        for conclusion in [samples::finding(), samples::clean(), samples::inconclusive()] {
            assert_eq!(schema::faults(&published(), &document(&conclusion)), Vec::<String>::new());
        }
    }

    #[test]
    fn the_api_document_fits_its_definition() {
        let conclusion = samples::finding();
        let pairs = conclusion.diagnoses.iter().map(|diagnosis| (diagnosis, &conclusion.identity));
        let value = serde_json::to_value(Diagnoses::new(pairs, EPOCH)).unwrap();
        let root = published();
        let definition = root.pointer("/$defs/diagnoses_document").unwrap();
        assert_eq!(schema::faults_of(&root, definition, &value, "$"), Vec::<String>::new());
        assert_eq!(value.pointer("/diagnoses/0/target/name"), Some(&json!("api")));
    }

    #[test]
    fn the_schema_check_notices_a_missing_an_unknown_and_a_wrong_field() {
        let mut value = document(&samples::finding());
        value["surprise"] = json!(1);
        value["verdict"] = json!("perhaps");
        value["coverage"].as_object_mut().unwrap().remove("from");
        assert_eq!(schema::faults(&published(), &value).len(), 3);
    }

    #[test]
    fn a_standing_fact_has_no_time_and_an_event_has_utc() {
        let value = document(&samples::finding());
        assert_eq!(value.pointer("/diagnoses/0/evidence/0/time"), Some(&json!("2023-11-14T22:13:21.500Z")));
        assert_eq!(value.pointer("/diagnoses/0/evidence/1/time"), Some(&Value::Null));
    }

    #[test]
    fn names_from_outside_are_inert() {
        let mut conclusion = samples::clean();
        conclusion.identity.image = "a\u{202e}b\u{1b}[2J".to_owned();
        assert_eq!(document(&conclusion).pointer("/target/image"), Some(&json!("a\\u{202e}b\\u{1b}[2J")));
    }
}

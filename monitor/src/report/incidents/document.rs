//! The published JSON of incidents, docs/incidents.schema.json. Never changes a field without a new schema version.

use serde::Serialize;

use crate::{
    model::incident::{EPOCH, Facts, Incident, Told},
    report::json::{CoverageItem, EvidenceItem, ExitItem, SCHEMA_VERSION, Targeted},
};

/// Many incidents: `gomon incidents -o json` and the agent's `/api/v1/incidents`.
#[derive(Debug, Serialize)]
pub struct Listed<'a> {
    schema_version: u32,
    /// How many fit; more than are here where the answer has a limit.
    total: u64,
    incidents: Vec<Item<'a>>,
}

impl<'a> Listed<'a> {
    #[must_use]
    pub fn new(incidents: &'a [Incident], total: u64) -> Self {
        let incidents = incidents.iter().map(Item::new).collect();
        Self { schema_version: SCHEMA_VERSION, total, incidents }
    }
}

/// One incident: `gomon incidents show ID -o json` and the agent's `/api/v1/incidents/ID`.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema_version: u32,
    incident: Item<'a>,
}

impl<'a> Document<'a> {
    /// With its timeline.
    #[must_use]
    pub fn new(incident: &'a Incident) -> Self {
        let mut document = Self::of(incident);
        let timeline = incident.timeline.iter().map(|one| EvidenceItem::new(one, EPOCH)).collect();
        document.incident.timeline = Some(timeline);
        document.incident.timeline_dropped = Some(incident.timeline_dropped);
        document
    }

    /// Without it.
    #[must_use]
    pub fn of(incident: &'a Incident) -> Self {
        Self { schema_version: SCHEMA_VERSION, incident: Item::new(incident) }
    }
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    id: &'a str,
    #[serde(flatten)]
    diagnosis: Targeted<'a>,
    facts: &'a Facts,
    exit: Option<ExitItem>,
    coverage: CoverageItem<'a>,
    gomon_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<EvidenceItem<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline_dropped: Option<u64>,
}

impl<'a> Item<'a> {
    fn new(incident: &'a Incident) -> Self {
        let Incident { id, told, timeline: _, timeline_dropped: _ } = incident;
        let Told { diagnosis, identity, facts, ending, coverage, version } = told;
        Self {
            id,
            diagnosis: Targeted::new(diagnosis, identity, EPOCH),
            facts,
            exit: ending.as_ref().map(|ending| ExitItem::new(ending, EPOCH)),
            coverage: CoverageItem::new(coverage, EPOCH),
            gomon_version: version,
            timeline: None,
            timeline_dropped: None,
        }
    }
}

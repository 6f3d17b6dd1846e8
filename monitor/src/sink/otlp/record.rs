//! A sighting as a log record, and the resource that it belongs to. Pure; every text is inert and bounded.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::InstrumentationScope,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute as otel};

use super::{
    fields,
    image::Image,
    value::{Attributes, body},
};
use crate::{
    model::{
        container::{ContainerId, Identity, Runtime},
        diagnosis::{Coverage, Diagnosis, Ending, Evidence, Severity},
        incident::{EPOCH, Facts, Sighting, Told},
        workload::{Kind, Workload},
    },
    sink::outlet::Why,
};

const NAME: &str = "gomon";

/// What an agent says of itself. Empty where it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    pub version: String,
    /// Of this one life of the agent.
    pub instance: String,
    pub host: String,
    /// The host as Kubernetes calls it.
    pub node: String,
}

/// The request that carries these records: one resource for each container. `now` is in nanoseconds since 1970.
#[must_use]
pub fn request<'a>(
    own: &Own,
    sightings: impl IntoIterator<Item = (&'a Sighting, Why)>,
    now: u64,
) -> ExportLogsServiceRequest {
    let mut of_containers: BTreeMap<&ContainerId, (&Told, Vec<LogRecord>)> = BTreeMap::new();
    for (sighting, why) in sightings {
        let told = &sighting.told;
        let (latest, records) =
            of_containers.entry(&told.diagnosis.container).or_insert_with(|| (told, Vec::new()));
        // Its names may have come meanwhile.
        *latest = told;
        records.push(record(told, why, now));
    }
    let resource_logs = of_containers.into_values().map(|(told, log_records)| ResourceLogs {
        resource: Some(resource(own, told)),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: NAME.to_owned(),
                version: own.version.clone(),
                ..InstrumentationScope::default()
            }),
            log_records,
            schema_url: SCHEMA_URL.to_owned(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

/// Who tells, and which container it is about.
fn resource(own: &Own, told: &Told) -> Resource {
    let Own { version, instance, host, node } = own;
    let Identity { name, image, namespace, pod, pod_uid, workload, runtime } = &told.identity;
    let Image { name: image, tag, digest, id } = Image::of(image);
    let mut all = Attributes::default();
    for (key, text) in [
        (otel::SERVICE_NAME, NAME),
        (otel::SERVICE_VERSION, version),
        (otel::SERVICE_INSTANCE_ID, instance),
        (otel::HOST_NAME, host),
        (otel::K8S_NODE_NAME, node),
        (otel::CONTAINER_ID, told.diagnosis.container.plain()),
        (otel::CONTAINER_NAME, name),
        (otel::CONTAINER_RUNTIME_NAME, if *runtime == Runtime::Unknown { "" } else { runtime.name() }),
        (otel::CONTAINER_IMAGE_NAME, image),
        (otel::CONTAINER_IMAGE_ID, id),
        (otel::CONTAINER_COMMAND, &told.facts.entrypoint),
    ] {
        all.text(key, text);
    }
    all.list(otel::CONTAINER_IMAGE_TAGS, listed(tag));
    all.list(otel::CONTAINER_IMAGE_REPO_DIGESTS, listed(&digest));
    if !pod.is_empty() {
        for (key, text) in [
            (otel::K8S_NAMESPACE_NAME, namespace),
            (otel::K8S_POD_NAME, pod),
            (otel::K8S_POD_UID, pod_uid),
            (otel::K8S_CONTAINER_NAME, name),
        ] {
            all.text(key, text);
        }
    }
    if let Some(Workload { kind, name, confidence }) = workload.as_deref() {
        let key = match kind {
            Kind::Deployment => otel::K8S_DEPLOYMENT_NAME,
            Kind::StatefulSet => otel::K8S_STATEFULSET_NAME,
            Kind::DaemonSet => otel::K8S_DAEMONSET_NAME,
            Kind::Job => otel::K8S_JOB_NAME,
        };
        all.text(key, name);
        all.text(fields::WORKLOAD_CONFIDENCE, confidence.name());
    }
    Resource { attributes: all.into_vec(), ..Resource::default() }
}

/// A list of one, or of none.
fn listed(text: &str) -> impl ExactSizeIterator<Item = String> {
    Some(text.to_owned()).filter(|text| !text.is_empty()).into_iter()
}

fn record(told: &Told, why: Why, now: u64) -> LogRecord {
    let Told { diagnosis, identity: _, facts, ending, coverage, version: _ } = told;
    let mut all = Attributes::default();
    all.text(
        fields::CHANGE,
        match why {
            Why::New => "new",
            Why::Again => "again",
            Why::Revised => "revised",
        },
    );
    of_diagnosis(&mut all, diagnosis);
    if let Some(Ending { at: _, code, meaning }) = ending {
        all.signed(fields::EXIT_CODE, *code);
        all.text(fields::EXIT_MEANING, meaning.name());
    }
    of_coverage(&mut all, coverage);
    of_facts(&mut all, facts);
    let (severity_number, severity_text) = match diagnosis.severity {
        Severity::Info => (SeverityNumber::Info, "INFO"),
        Severity::Warning => (SeverityNumber::Warn, "WARN"),
        Severity::Error => (SeverityNumber::Error, "ERROR"),
    };
    LogRecord {
        time_unix_nano: diagnosis.last_seen.0,
        observed_time_unix_nano: now,
        severity_number: severity_number.into(),
        severity_text: severity_text.to_owned(),
        body: Some(body(&diagnosis.summary)),
        attributes: all.into_vec(),
        event_name: fields::EVENT.to_owned(),
        ..LogRecord::default()
    }
}

fn of_diagnosis(all: &mut Attributes, diagnosis: &Diagnosis) {
    let Diagnosis {
        container: _,
        pattern,
        severity: _,
        confidence,
        subject,
        summary: _,
        evidence,
        remedy,
        first_seen,
        last_seen: _,
        count,
        consequence_of,
    } = diagnosis;
    all.text(fields::PATTERN, pattern);
    all.text(fields::SUBJECT, subject);
    all.text(fields::CONFIDENCE, confidence.name());
    all.number(fields::COUNT, *count);
    all.text(fields::FIRST_SEEN, &EPOCH.rfc3339(*first_seen));
    all.lines(fields::REMEDY, remedy);
    all.text(fields::CONSEQUENCE_OF, consequence_of.as_deref().unwrap_or_default());
    all.list(
        fields::EVIDENCE,
        evidence.iter().map(|Evidence { at, source, fact }| {
            let time = at.map(|at| EPOCH.rfc3339(at) + " ").unwrap_or_default();
            format!("{time}{}: {fact}", source.name())
        }),
    );
}

fn of_coverage(all: &mut Attributes, coverage: &Coverage) {
    let Coverage { from: _, to: _, attached_before_start, events_lost, blind } = coverage;
    all.number(fields::EVENTS_LOST, *events_lost);
    all.flag(fields::FROM_START, *attached_before_start);
    all.list(fields::BLIND, blind.iter().map(|one| format!("{}: {}", one.what, one.why)));
}

fn of_facts(all: &mut Attributes, facts: &Facts) {
    let Facts { entrypoint: _, go_version, libc, linkage, user, memory_limit_bytes } = facts;
    if !go_version.is_empty() {
        all.text(otel::PROCESS_RUNTIME_NAME, "go");
        all.text(otel::PROCESS_RUNTIME_VERSION, go_version);
    }
    all.text(fields::LIBC, libc);
    all.text(fields::LINKAGE, linkage);
    all.text(fields::USER, user);
    if let Some(bytes) = memory_limit_bytes {
        all.number(fields::MEMORY_LIMIT, *bytes);
    }
}

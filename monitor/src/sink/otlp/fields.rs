//! The names of all that a log record says, where each stands and what it means: API. docs/otlp.md has its table from here.

use std::fmt::Write as _;

use Of::{Record, Resource};
use opentelemetry_semantic_conventions::attribute as otel;

/// `LogRecord.event_name`.
pub const EVENT: &str = "gomon.diagnosis";

pub(super) const CHANGE: &str = "gomon.change";
pub(super) const PATTERN: &str = "gomon.pattern";
pub(super) const SUBJECT: &str = "gomon.subject";
pub(super) const CONFIDENCE: &str = "gomon.confidence";
pub(super) const COUNT: &str = "gomon.count";
pub(super) const FIRST_SEEN: &str = "gomon.first_seen";
pub(super) const REMEDY: &str = "gomon.remedy";
pub(super) const CONSEQUENCE_OF: &str = "gomon.consequence_of";
pub(super) const EVIDENCE: &str = "gomon.evidence";
pub(super) const EXIT_CODE: &str = "gomon.exit.code";
pub(super) const EXIT_MEANING: &str = "gomon.exit.meaning";
pub(super) const EVENTS_LOST: &str = "gomon.coverage.events_lost";
pub(super) const FROM_START: &str = "gomon.coverage.attached_before_start";
pub(super) const BLIND: &str = "gomon.coverage.blind";
pub(super) const LIBC: &str = "gomon.libc";
pub(super) const LINKAGE: &str = "gomon.linkage";
pub(super) const USER: &str = "gomon.user";
pub(super) const MEMORY_LIMIT: &str = "gomon.memory_limit";
pub(super) const WORKLOAD_CONFIDENCE: &str = "gomon.workload.confidence";

/// Where an attribute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Resource,
    Record,
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub key: &'static str,
    pub of: Of,
    pub kind: &'static str,
    pub what: &'static str,
}

const fn field(of: Of, key: &'static str, kind: &'static str, what: &'static str) -> Field {
    Field { key, of, kind, what }
}

/// All of them. What is not known is left out.
pub const FIELDS: &[Field] = &[
    field(Resource, otel::SERVICE_NAME, "string", "`gomon`: who tells"),
    field(Resource, otel::SERVICE_VERSION, "string", "version of gomon"),
    field(Resource, otel::SERVICE_INSTANCE_ID, "string", "a random UUID of each start of an agent"),
    field(Resource, otel::HOST_NAME, "string", "the node"),
    field(
        Resource,
        otel::K8S_NODE_NAME,
        "string",
        "the node as Kubernetes calls it: `NODE_NAME` of the agent",
    ),
    field(Resource, otel::CONTAINER_ID, "string", "the container that the record is about, in full"),
    field(
        Resource,
        otel::CONTAINER_NAME,
        "string",
        "its name: as in `docker ps`, or that of the container in the pod",
    ),
    field(
        Resource,
        otel::CONTAINER_RUNTIME_NAME,
        "string",
        "docker, containerd, cri-o, podman, runc or crun",
    ),
    field(Resource, otel::CONTAINER_IMAGE_NAME, "string", "its image without tag and digest"),
    field(Resource, otel::CONTAINER_IMAGE_TAGS, "string[]", "the tag that it was started by"),
    field(Resource, otel::CONTAINER_IMAGE_REPO_DIGESTS, "string[]", "the digest that it was started by"),
    field(Resource, otel::CONTAINER_IMAGE_ID, "string", "the image's id, where the runtime gives no name"),
    field(Resource, otel::CONTAINER_COMMAND, "string", "the first word of its command, as configured"),
    field(Resource, otel::K8S_NAMESPACE_NAME, "string", "namespace of its pod"),
    field(Resource, otel::K8S_POD_NAME, "string", "its pod"),
    field(Resource, otel::K8S_POD_UID, "string", "UID of its pod"),
    field(Resource, otel::K8S_CONTAINER_NAME, "string", "its name in the pod"),
    field(Resource, otel::K8S_DEPLOYMENT_NAME, "string", "what runs its pod, where it is a Deployment"),
    field(Resource, otel::K8S_STATEFULSET_NAME, "string", "the same of a StatefulSet"),
    field(Resource, otel::K8S_DAEMONSET_NAME, "string", "the same of a DaemonSet"),
    field(Resource, otel::K8S_JOB_NAME, "string", "the same of a Job"),
    field(Resource, WORKLOAD_CONFIDENCE, "string", "`certain` by labels, `medium` by the pod's name alone"),
    field(
        Record,
        CHANGE,
        "string",
        "`new`, `again` (it occurred further times) or `revised` (known better, or its container is)",
    ),
    field(Record, PATTERN, "string", "id of the failure pattern; docs/patterns has a page on each"),
    field(Record, SUBJECT, "string", "what is missing or wrong: a path, a library, an architecture"),
    field(Record, CONFIDENCE, "string", "`certain`, `high` or `medium`"),
    field(
        Record,
        COUNT,
        "int",
        "occurrences since this agent started; a crash loop is one diagnosis with a count",
    ),
    field(Record, FIRST_SEEN, "string", "the first of them, RFC 3339; the last one is the record's time"),
    field(Record, REMEDY, "string", "a change that can be pasted; of several lines"),
    field(
        Record,
        CONSEQUENCE_OF,
        "string",
        "the pattern of the container's other diagnosis that brought it about",
    ),
    field(Record, EVIDENCE, "string[]", "`TIME SOURCE: FACT`; a standing fact has no time"),
    field(
        Record,
        EXIT_CODE,
        "int",
        "exit code of the container's first process, 128 and the number of a signal",
    ),
    field(Record, EXIT_MEANING, "string", "`success`, `stopped`, `explained` or `unexplained`"),
    field(
        Record,
        EVENTS_LOST,
        "int",
        "events of the container that were lost: above zero, something may be missing",
    ),
    field(Record, FROM_START, "bool", "whether the container was watched from its first process on"),
    field(Record, BLIND, "string[]", "`WHAT: WHY` for each thing that could not be seen"),
    field(Record, otel::PROCESS_RUNTIME_NAME, "string", "`go` where the container's program was built by Go"),
    field(Record, otel::PROCESS_RUNTIME_VERSION, "string", "the version of that Go"),
    field(Record, LIBC, "string", "`glibc`, `musl` or `none`: what the container has"),
    field(Record, LINKAGE, "string", "`static`, `dynamic` or `script`: what its program is"),
    field(Record, USER, "string", "`UID:GID` of its first process"),
    field(Record, MEMORY_LIMIT, "int", "its memory limit in bytes"),
];

/// The rows of docs/otlp.md.
#[must_use]
pub fn table() -> String {
    let mut out = "| attribute | of | type | meaning |\n|---|---|---|---|\n".to_owned();
    for Field { key, of, kind, what } in FIELDS {
        let of = match of {
            Resource => "resource",
            Record => "record",
        };
        let _ = writeln!(out, "| `{key}` | {of} | {kind} | {what} |");
    }
    out
}

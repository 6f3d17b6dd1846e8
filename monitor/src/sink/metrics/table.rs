//! The closed list of metrics, their labels and the values of closed labels: API. docs/metrics.md comes from it.

use std::fmt::Write;

use Kind::{Counter, Gauge, Histogram};

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        }
    }
}

/// One metric of gomon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// The labels of all metrics of findings.
const FINDING: &[&str] = &["namespace", "pod", "container", "pattern", "severity"];

macro_rules! metrics {
    ($($id:ident = $name:literal, $kind:ident, $labels:expr, $help:literal;)*) => {
        $(pub(super) const $id: Metric = Metric { name: $name, kind: $kind, labels: $labels, help: $help };)*

        /// All metrics, in the order of docs/metrics.md.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

metrics! {
    DIAGNOSES = "gomon_diagnoses_total", Counter, FINDING,
        "Occurrences of a failure pattern in a container.";
    DIAGNOSIS_ACTIVE = "gomon_diagnosis_active", Gauge, FINDING,
        "1 while a standing fact holds in a running container, or within 15 minutes of the last occurrence.";
    DIAGNOSIS_LAST = "gomon_diagnosis_last_timestamp_seconds", Gauge, FINDING,
        "Unix time of the last occurrence.";
    PATTERN_BLIND = "gomon_pattern_blind", Gauge, &["pattern"],
        "1 if a probe that the pattern rests on is not attached: no finding then means nothing.";
    CONTAINER_INFO = "gomon_container_info", Gauge,
        &["namespace", "pod", "container", "container_id", "image", "runtime", "go_version", "libc", "linkage"],
        "What gomon knows of a container; always 1.";
    EXEC_FAILURES = "gomon_container_exec_failures_total", Counter, &["namespace", "pod", "container", "errno"],
        "Calls of execve that failed in a container.";
    OOM_KILLS = "gomon_container_oom_kills_total", Counter, &["namespace", "pod", "container", "scope", "init"],
        "Processes of a container that the kernel killed for memory. Scope: container if it has a memory limit of its own, else outside. Init: whether it was PID 1.";
    SIGNALS = "gomon_container_signals_total", Counter, &["namespace", "pod", "container", "signal", "origin"],
        "Signals delivered to processes of a container. Origin: container, outside or kernel.";

    BUILD_INFO = "gomon_build_info", Gauge, &["version", "revision", "rustversion"],
        "The running build; always 1.";
    READY = "gomon_ready", Gauge, &[],
        "1 while gomon sees all that it should: what /readyz answers.";
    PIPELINE_SILENCE = "gomon_pipeline_silence_seconds", Gauge, &[],
        "Since the pipeline took its last observation, time itself included; a second or two while it is alive.";
    CONFINED = "gomon_confined", Gauge, &["restraint"],
        "1 if the restraint is in force: user, capabilities, no_new_privileges or system_calls.";
    PROBE_ATTACHED = "gomon_probe_attached", Gauge, &["probe"],
        "1 if the probe is attached to the kernel.";
    BPF_EVENTS = "gomon_bpf_events_total", Counter, &["probe", "result"],
        "Events in the kernel by what became of them: seen = filtered + submitted + lost.";
    RECEIVED = "gomon_events_received_total", Counter, &["probe"],
        "Events that reached user space: what was submitted, less what waits in a ring and what is malformed.";
    WAITING = "gomon_events_waiting", Gauge, &[],
        "Events that reached user space and wait for older ones.";
    SET_ASIDE = "gomon_events_set_aside_total", Counter, &["reason"],
        "Events that reached user space and are nobody's: received = latency count + unattributed + set aside + waiting.";
    DROPPED = "gomon_events_dropped_total", Counter, &["stage", "reason"],
        "Events, or series of them, that were given up.";
    UNATTRIBUTED = "gomon_events_unattributed_total", Counter, &["reason"],
        "Events that belong to no known container.";
    LATENCY = "gomon_event_latency_seconds", Histogram, &[],
        "From the event in the kernel to its place in a container's timeline.";
    PROGRAM_RUNS = "gomon_bpf_program_runs_total", Counter, &["program"],
        "Runs of a kernel program, where the kernel counts them (kernel.bpf_stats_enabled).";
    PROGRAM_SECONDS = "gomon_bpf_program_run_seconds_total", Counter, &["program"],
        "Time spent in a kernel program, where the kernel counts it (kernel.bpf_stats_enabled).";
    MAP_ENTRIES = "gomon_bpf_map_entries", Gauge, &["map"],
        "Entries of a kernel map that can fill up; bytes waiting in a ring.";
    MAP_CAPACITY = "gomon_bpf_map_capacity", Gauge, &["map"],
        "Most entries of a kernel map; bytes of a ring.";
    CONTAINER_SERIES = "gomon_container_series", Gauge, &[],
        "Series with container labels.";
    CONTAINER_SERIES_MAX = "gomon_container_series_max", Gauge, &[],
        "The most series with container labels; beyond it containers count together as ~other.";
    INSPECTIONS = "gomon_inspections_total", Counter, &["result"],
        "Inspections of containers' files and configurations.";
    INSPECTION_SECONDS = "gomon_inspection_duration_seconds", Histogram, &[],
        "Time of one inspection.";
    INSPECTIONS_STUCK = "gomon_inspections_stuck", Gauge, &[],
        "Inspections that have not come back in time; beyond 32 no further files are looked at.";

    SELF_TEST_LAST = "gomon_self_test_last_success_timestamp_seconds", Gauge, &[],
        "Unix time at which a failing exec of gomon's own last came back from the kernel; 0 before the first. Twice a minute is the rule.";
    SELF_TEST_FAILURES = "gomon_self_test_failures_total", Counter, &[],
        "Failing execs of gomon's own that did not come back from the kernel within ten seconds. After three in a row gomon is not ready.";
    RELOAD_SUCCESS = "gomon_config_reload_success", Gauge, &[],
        "1 if the latest reading of the configuration, at the start or on SIGHUP, succeeded.";
    RELOAD_LAST = "gomon_config_last_reload_success_timestamp_seconds", Gauge, &[],
        "Unix time of the latest reading of the configuration that succeeded.";
    STORE_UP = "gomon_store_up", Gauge, &[],
        "1 if incidents are kept; 0 while the store cannot be written, or there is none.";
    STORE_INCIDENTS = "gomon_store_incidents", Gauge, &[],
        "Incidents in the store.";
    STORE_BYTES = "gomon_store_bytes", Gauge, &[],
        "Bytes of the store in use.";
    STORE_WAITING = "gomon_store_waiting", Gauge, &[],
        "Incidents, or news of them, that are not written yet.";
    STORE_WRITES = "gomon_store_writes_total", Counter, &["result"],
        "Incidents, or news of them, that were written; tries that failed.";
    STORE_DROPPED = "gomon_store_dropped_total", Counter, &[],
        "News of incidents that were given up because too many waited.";
    STORE_PRUNED = "gomon_store_pruned_total", Counter, &["reason"],
        "Incidents that were taken out of the store for their age, or because it was full.";
    OTLP_UP = "gomon_otlp_up", Gauge, &[],
        "1 if the last export of log records succeeded; 0 while it fails, before the first, or where none is configured.";
    OTLP_RECORDS = "gomon_otlp_records_total", Counter, &["result"],
        "Log records that the OTLP receiver took, and those that were given up, by reason.";
    OTLP_EXPORTS = "gomon_otlp_exports_total", Counter, &["result"],
        "Requests to the OTLP receiver: taken, to be tried again, or refused for good.";
    OTLP_QUEUE = "gomon_otlp_queue_records", Gauge, &[],
        "Diagnoses whose news wait to be sent, repeats for their minute among them.";
    OTLP_QUEUE_BYTES = "gomon_otlp_queue_bytes", Gauge, &[],
        "Bytes of what waits to be sent, about.";
    KUBERNETES_EVENTS = "gomon_kubernetes_events_total", Counter, &["result"],
        "Kubernetes Events that were created or patched; tries that failed and come again; writes that the API refuses; news that were given up.";
    KUBERNETES_EVENTS_WAITING = "gomon_kubernetes_events_waiting", Gauge, &[],
        "Containers and patterns whose news wait for their time, the budget or the API.";

    PROCESS_CPU = "process_cpu_seconds_total", Counter, &[],
        "User and system CPU time of gomon.";
    PROCESS_RESIDENT = "process_resident_memory_bytes", Gauge, &[],
        "Resident memory of gomon.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes", Gauge, &[],
        "Virtual memory of gomon.";
    PROCESS_FDS = "process_open_fds", Gauge, &[],
        "Open file descriptors of gomon.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, &[],
        "Most file descriptors that gomon may open.";
    PROCESS_START = "process_start_time_seconds", Gauge, &[],
        "Unix time of gomon's start.";
}

/// A closed set of values of a label, or of two.
macro_rules! labels {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $value:expr,)* } -> $result:ty) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            pub(super) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(super) const fn labels(self) -> $result {
                match self { $(Self::$variant => $value,)* }
            }
        }
    };
}

labels! {
    /// Where and why something was given up: `stage` and `reason` of `gomon_events_dropped_total`.
    Dropped {
        /// A container made more events than gomon takes in from one.
        Flood = ["kernel", "flood"],
        /// A ring was full.
        Ring = ["kernel", "ring_full"],
        /// The memory of an event could not be read.
        Unreadable = ["kernel", "unreadable"],
        /// The kernel left runs of a program out that was running on that CPU already.
        Skipped = ["kernel", "program_busy"],
        /// A record that does not decode.
        Undecodable = ["decode", "malformed"],
        /// A container's timeline was full; a piece of evidence went.
        Timeline = ["engine", "timeline_full"],
        /// More running containers than the engine keeps.
        Containers = ["engine", "containers_full"],
        /// Counted under `container="~other"`, or not at all.
        MaxSeries = ["metrics", "max_series"],
    } -> [&'static str; 2]
}

labels! {
    /// Why an event has no container: `reason` of `gomon_events_unattributed_total`.
    Unattributed {
        /// The cgroup is not known, and nothing could be learned about it.
        UnknownCgroup = "unknown_cgroup",
        /// The cgroup is known and is not a container's.
        NotAContainer = "not_a_container",
    } -> &'static str
}

labels! {
    /// Why an event is nobody's: `reason` of `gomon_events_set_aside_total`.
    SetAside {
        /// The birth or the end of a cgroup that is no container's.
        HostCgroup = "host_cgroup",
        /// The kernel told the end of a process, or a victim of memory, more than once.
        Repeated = "repeated",
    } -> &'static str
}

labels! {
    /// How an inspection ended: `result` of `gomon_inspections_total`.
    Inspected {
        Ok = "ok",
        /// Some facts could not be established.
        Partial = "partial",
        /// It did not come back in time, or was not begun because too many others had not.
        TimedOut = "timed_out",
        /// It broke off, or found no place because too many waited.
        Failed = "failed",
    } -> &'static str
}

labels! {
    /// What became of a try to write: `result` of `gomon_store_writes_total`.
    StoreWrite { Written = "written", Failed = "failed", } -> &'static str
}

labels! {
    /// Why an incident is kept no longer: `reason` of `gomon_store_pruned_total`.
    Pruned { Age = "age", Size = "size", } -> &'static str
}

labels! {
    /// What became of a log record: `result` of `gomon_otlp_records_total`.
    OtlpRecords {
        Accepted = "accepted",
        /// The receiver took the request and not this record of it.
        Rejected = "rejected",
        /// It was in a request that the receiver refused for good.
        Refused = "refused",
        /// There was no room for it in the queue.
        Overflown = "queue_full",
        /// The agent ended before it was sent.
        Unsent = "unsent",
    } -> &'static str
}

labels! {
    /// What became of a request: `result` of `gomon_otlp_exports_total`.
    OtlpExports { Ok = "ok", Retried = "retried", Refused = "refused", } -> &'static str
}

labels! {
    /// What became of a Kubernetes Event: `result` of `gomon_kubernetes_events_total`.
    EventWrite {
        Created = "created",
        Patched = "patched",
        Failed = "failed",
        Refused = "refused",
        Dropped = "dropped",
    } -> &'static str
}

/// All of docs/metrics.md.
#[must_use]
pub fn book() -> String {
    let mut out = "# Metrics\n\n\
        <!-- Generated from monitor/src/sink/metrics/table.rs: GOMON_UPDATE_DOCS=1 cargo test --test docs -->\n\n\
        `gomon agent` serves them at `/metrics`. Names and labels are API: a change has an entry in the changelog.\n\n\
        A container's counters of diagnoses, exec failures and OOM kills start at zero when the container is first\n\
        seen, so that the first failure is an increase. Its series stay for 15 minutes after it is gone. Beyond\n\
        `max_series` series, further containers are counted together as `container=\"~other\"`.\n\n\
        | metric | type | labels | meaning |\n|---|---|---|---|\n"
        .to_owned();
    for Metric { name, kind, labels, help } in METRICS {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(out, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", "));
    }
    out.push_str("\n## Values of closed labels\n\n| label | values |\n|---|---|\n");
    let dropped: Vec<String> =
        Dropped::ALL.iter().map(|one| format!("`{}`", one.labels().join("/"))).collect();
    let unattributed: Vec<String> =
        Unattributed::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let set_aside: Vec<String> = SetAside::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let inspected: Vec<String> = Inspected::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let writes: Vec<String> = StoreWrite::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let pruned: Vec<String> = Pruned::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let records: Vec<String> = OtlpRecords::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let exports: Vec<String> = OtlpExports::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    let events: Vec<String> = EventWrite::ALL.iter().map(|one| format!("`{}`", one.labels())).collect();
    for (label, values) in [
        ("`stage`/`reason` of `gomon_events_dropped_total`", dropped),
        ("`reason` of `gomon_events_unattributed_total`", unattributed),
        ("`reason` of `gomon_events_set_aside_total`", set_aside),
        ("`result` of `gomon_inspections_total`", inspected),
        ("`result` of `gomon_store_writes_total`", writes),
        ("`reason` of `gomon_store_pruned_total`", pruned),
        ("`result` of `gomon_otlp_records_total`", records),
        ("`result` of `gomon_otlp_exports_total`", exports),
        ("`result` of `gomon_kubernetes_events_total`", events),
    ] {
        let _ = writeln!(out, "| {label} | {} |", values.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_prometheus_rules() {
        for Metric { name, kind, help, .. } in METRICS {
            assert_eq!(name.ends_with("_total"), *kind == Counter, "{name}");
            assert!(name.starts_with("gomon_") || name.starts_with("process_"), "{name}");
            assert!(help.ends_with('.') && !help.contains('|'), "{name}");
        }
    }

    #[test]
    fn only_the_info_metric_names_a_container_id_or_image() {
        for Metric { name, labels, .. } in METRICS {
            let unbounded = ["pid", "path", "cmdline", "image", "container_id"];
            assert!(
                *name == CONTAINER_INFO.name || !labels.iter().any(|label| unbounded.contains(label)),
                "{name}"
            );
        }
    }
}

//! The alerts about gomon itself: that it runs, sees, keeps up, and knows whose events it has.

use super::{
    Alert, Urgency,
    Urgency::{Critical, Info, Warning},
};

/// An alert about gomon; its page is a section of docs/alerts.md.
struct Own {
    name: &'static str,
    expr: &'static str,
    minutes: u32,
    urgency: Urgency,
    summary: &'static str,
    /// What happened, as a template.
    what: &'static str,
    todo: &'static str,
}

pub(super) fn alerts() -> Vec<Alert> {
    OWN.iter()
        .map(|Own { name, expr, minutes, urgency, summary, what, todo }| Alert {
            name: (*name).to_owned(),
            expr: (*expr).to_owned(),
            minutes: *minutes,
            urgency: *urgency,
            summary: (*summary).to_owned(),
            description: format!("{what}\n\nWhat to do: {todo}"),
            runbook: format!("alerts.md#{}", name.to_ascii_lowercase()),
        })
        .collect()
}

const OWN: &[Own] = &[
    Own {
        name: "GomonDown",
        expr: r#"up{job="gomon"} == 0"#,
        minutes: 5,
        urgency: Critical,
        summary: "A gomon agent does not answer Prometheus.",
        what: "The agent at {{ $labels.instance }} has not been scraped for 5 minutes: failures of containers on that node \
               are not told.",
        todo: "Look at the agent's log and at whether its listen address can be reached; `gomon doctor` on that node says \
               what it cannot see and why.",
    },
    Own {
        name: "GomonAbsent",
        expr: r#"absent(up{job="gomon"})"#,
        minutes: 10,
        urgency: Critical,
        summary: "Prometheus knows of no gomon agent.",
        what: "No target has the label job=\"gomon\": either no agent is discovered, or the scrape job has another name.",
        todo: "Compare the scrape configuration with deploy/prometheus/scrape.example.yaml. These rules expect the job's \
               name to be gomon.",
    },
    Own {
        name: "GomonNotReady",
        expr: "gomon_ready == 0",
        minutes: 5,
        urgency: Warning,
        summary: "A gomon agent does not see all that it should.",
        what: "The agent at {{ $labels.instance }} says that it is not ready.",
        todo: "Its page /readyz gives the reasons, and `gomon doctor` on that node the remedies.",
    },
    Own {
        name: "GomonStuck",
        expr: "gomon_pipeline_silence_seconds > 60",
        minutes: 2,
        urgency: Critical,
        summary: "A gomon agent answers, and its pipeline stands still.",
        what: "The pipeline of the agent at {{ $labels.instance }} took its last observation \
               {{ $value | humanizeDuration }} ago. Nothing that it serves is new.",
        todo: "Keep its log and a stack trace (`gdb -p`, `eu-stack -p`), restart it, and report it.",
    },
    Own {
        name: "GomonRestarting",
        expr: r#"resets(process_cpu_seconds_total{job="gomon"}[30m]) > 2"#,
        minutes: 0,
        urgency: Warning,
        summary: "A gomon agent starts again and again.",
        what: "The agent at {{ $labels.instance }} was restarted {{ $value }} times in half an hour. What happened while it \
               was away is not told.",
        todo: "Its log and the exit code say why: 2 is the configuration, 3 privileges or the kernel, 137 its memory limit.",
    },
    Own {
        name: "GomonProbeDetached",
        expr: "gomon_probe_attached == 0",
        minutes: 5,
        urgency: Warning,
        summary: "A probe of gomon is not attached to the kernel.",
        what: "The probe {{ $labels.probe }} of the agent at {{ $labels.instance }} is not attached: the patterns that \
               rest on it cannot tell anything.",
        todo: "`gomon doctor` on that node gives the kernel's reason and the remedy. GomonPatternBlind names the patterns.",
    },
    Own {
        name: "GomonPatternBlind",
        expr: "gomon_pattern_blind == 1",
        minutes: 5,
        urgency: Warning,
        summary: "gomon cannot see a failure pattern on a node.",
        what: "The agent at {{ $labels.instance }} cannot tell anything about {{ $labels.pattern }}: a probe that it rests \
               on is not attached. That no finding comes means nothing.",
        todo: "See GomonProbeDetached.",
    },
    Own {
        name: "GomonEventsLost",
        expr: r#"sum by (job, instance, reason) (
  increase(gomon_events_dropped_total{stage="kernel",reason=~"ring_full|unreadable"}[15m])
) > 0"#,
        minutes: 0,
        urgency: Warning,
        summary: "Events of containers were lost between the kernel and gomon.",
        what: "The agent at {{ $labels.instance }} lost about {{ $value | humanize }} events in 15 minutes \
               ({{ $labels.reason }}). Verdicts of that time say that they are in doubt.",
        todo: "`ring_full`: the agent gets too little processor time; raise its CPU request or limit. `unreadable`: memory \
               of a program was swapped out or not mapped; a few are harmless.",
    },
    Own {
        name: "GomonProgramBusy",
        expr: r#"sum by (job, instance) (
  increase(gomon_events_dropped_total{stage="kernel",reason="program_busy"}[15m])
) > 0"#,
        minutes: 15,
        urgency: Info,
        summary: "The kernel left out runs of a program of gomon.",
        what: "At {{ $labels.instance }} the kernel left out about {{ $value | humanize }} runs in 15 minutes, because the \
               program was running on that CPU already. Whether events were among them nobody knows.",
        todo: "A few are harmless. Many point to another tool that traces the same hooks.",
    },
    Own {
        name: "GomonContainerFloods",
        expr: r#"sum by (job, instance) (
  increase(gomon_events_dropped_total{stage="kernel",reason="flood"}[15m])
) > 0"#,
        minutes: 0,
        urgency: Info,
        summary: "A container makes more events than gomon takes in from one.",
        what: "At {{ $labels.instance }} about {{ $value | humanize }} events of flooding containers were kept back in 15 \
               minutes. Verdicts on those containers are in doubt, all others are not.",
        todo: "`gomon events` on that node shows which container it is. A loop of failing calls is worth mending by itself.",
    },
    Own {
        name: "GomonRecordsMalformed",
        expr: r#"sum by (job, instance) (increase(gomon_events_dropped_total{stage="decode"}[15m])) > 0"#,
        minutes: 0,
        urgency: Warning,
        summary: "gomon got records from the kernel that it cannot read.",
        what: "The agent at {{ $labels.instance }} could not decode {{ $value | humanize }} records in 15 minutes.",
        todo: "This is a fault of gomon: report it with the output of `gomon version` and `uname -r`.",
    },
    Own {
        name: "GomonEvidenceDropped",
        expr: r#"sum by (job, instance, reason) (increase(gomon_events_dropped_total{stage="engine"}[15m])) > 0"#,
        minutes: 0,
        urgency: Info,
        summary: "gomon had no room for all evidence.",
        what: "The engine of the agent at {{ $labels.instance }} gave up {{ $value | humanize }} pieces of evidence in 15 \
               minutes ({{ $labels.reason }}). Verdicts on those containers say so.",
        todo: "`timeline_full`: a container does more than its timeline keeps. `containers_full`: more than 8192 run on \
               that node.",
    },
    Own {
        name: "GomonSeriesOverflow",
        expr: r#"sum by (job, instance) (increase(gomon_events_dropped_total{stage="metrics"}[15m])) > 0"#,
        minutes: 0,
        urgency: Warning,
        summary: "gomon has more series than it may have: some containers raise no alert.",
        what: "The agent at {{ $labels.instance }} counts further containers together as ~other. Their findings are in the \
               API and in the log, and raise no alert.",
        todo: "Raise `max_series` (`--metrics-max-series`); a container has about 50 series.",
    },
    Own {
        name: "GomonMapFilling",
        expr: "gomon_bpf_map_entries / gomon_bpf_map_capacity > 0.8",
        minutes: 5,
        urgency: Warning,
        summary: "A kernel map of gomon is almost full.",
        what: "The map {{ $labels.map }} of the agent at {{ $labels.instance }} is {{ $value | humanizePercentage }} full.",
        todo: "A ring: the agent gets too little processor time, and events will be lost. IGNORED_CGROUPS: further cgroups \
               of the host stay watched, which costs time and loses nothing.",
    },
    Own {
        name: "GomonAttributionDegraded",
        expr: "instance:gomon_events_unattributed:ratio_rate5m > 0.05",
        minutes: 15,
        urgency: Warning,
        summary: "gomon does not know whose events it has.",
        what: "{{ $value | humanizePercentage }} of the events at {{ $labels.instance }} belong to no known container.",
        todo: "The agent needs the host's cgroup tree and /proc: check its mounts and `host_root`.",
    },
    Own {
        name: "GomonEventsLate",
        expr: "instance:gomon_event_latency_seconds:p99_rate5m > 1",
        minutes: 15,
        urgency: Warning,
        summary: "gomon is behind: events reach it late.",
        what: "One event in a hundred at {{ $labels.instance }} is more than {{ $value | humanizeDuration }} old when it is \
               judged. Files of dead containers may be gone by then.",
        todo: "Raise the CPU request or limit of the agent.",
    },
    Own {
        name: "GomonInspectionsIncomplete",
        expr: "instance:gomon_inspections_incomplete:ratio_rate15m > 0.5",
        minutes: 15,
        urgency: Warning,
        summary: "gomon cannot read the files of most containers.",
        what: "{{ $value | humanizePercentage }} of the inspections at {{ $labels.instance }} left something unknown. \
               Patterns that rest on it cannot tell.",
        todo: "The agent needs CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, and the host's file systems at `host_root`. \
               `gomon diagnose` on a container says what is unknown and why.",
    },
    Own {
        name: "GomonInspectionsFailed",
        expr: r#"sum by (job, instance) (increase(gomon_inspections_total{result="failed"}[15m])) > 0"#,
        minutes: 0,
        urgency: Warning,
        summary: "Inspections of containers broke off, or found no place.",
        what: "{{ $value | humanize }} inspections at {{ $labels.instance }} failed in 15 minutes.",
        todo: "The log of the agent names them. Too many waiting: containers start faster than their files can be read.",
    },
    Own {
        name: "GomonStoreFailing",
        expr: r#"sum by (job, instance) (increase(gomon_store_writes_total{result="failed"}[15m])) > 0"#,
        minutes: 5,
        urgency: Warning,
        summary: "gomon cannot write its store of incidents.",
        what: "The agent at {{ $labels.instance }} failed to write incidents. It goes on watching; what is not written is lost with a restart.",
        todo: "Its log names the reason: a full disk, a file system that became read-only, or missing rights on the path of `--store`.",
    },
    Own {
        name: "GomonIncidentsDropped",
        expr: "sum by (job, instance) (increase(gomon_store_dropped_total[15m])) > 0",
        minutes: 0,
        urgency: Warning,
        summary: "News of incidents did not get into the store.",
        what: "The agent at {{ $labels.instance }} gave up {{ $value | humanize }} pieces of news in 15 minutes, because too many waited to be written. Metrics and API have them.",
        todo: "The disk is too slow or full: see GomonStoreFailing.",
    },
    Own {
        name: "GomonOtlpFailing",
        expr: r#"sum by (job, instance) (increase(gomon_otlp_exports_total{result=~"retried|refused"}[15m])) > 0
unless
sum by (job, instance) (increase(gomon_otlp_exports_total{result="ok"}[15m])) > 0"#,
        minutes: 10,
        urgency: Warning,
        summary: "Diagnoses do not reach the OTLP receiver.",
        what: "No log record of the agent at {{ $labels.instance }} got through in 15 minutes, and it tried about {{ $value | humanize }} times. What it finds waits; beyond 4096 diagnoses it is given up.",
        todo: "Its log names the reason: nobody listens at `otlp_endpoint`, the other protocol is spoken there, the headers are not those that it wants, or its certificate is not vouched for.",
    },
    Own {
        name: "GomonOtlpRecordsDropped",
        expr: r#"sum by (job, instance, result) (
  increase(gomon_otlp_records_total{result=~"rejected|refused|queue_full"}[15m])
) > 0"#,
        minutes: 0,
        urgency: Warning,
        summary: "Log records of diagnoses were given up.",
        what: "{{ $value | humanize }} log records of the agent at {{ $labels.instance }} did not get to the OTLP receiver in 15 minutes ({{ $labels.result }}). Metrics, API and store have what they said.",
        todo: "`rejected`, `refused`: the receiver did not want them, the log has its reason. `queue_full`: it was away for too long, see GomonOtlpFailing.",
    },
    Own {
        name: "GomonKubernetesEventsFailing",
        expr: r#"sum by (job, instance, result) (increase(gomon_kubernetes_events_total{result=~"failed|refused|dropped"}[15m])) > 0"#,
        minutes: 15,
        urgency: Warning,
        summary: "gomon cannot write Kubernetes Events.",
        what: "Events of the agent at {{ $labels.instance }} are {{ $labels.result }}: who looks at a pod with kubectl does not see \
               what is wrong with it. Metrics, API and the store have it.",
        todo: "The log of the agent has the API's own words. `refused`: the role of its service account lacks `create` and `patch` \
               on `events` of `events.k8s.io`, or the namespace is gone. `failed`: the API, its certificate or the token. \
               `dropped`: more pods fail than the budget lets it tell, see `kubernetes_events_per_minute`.",
    },
    Own {
        name: "GomonSelfTestFailing",
        expr: "increase(gomon_self_test_failures_total[10m]) > 2",
        minutes: 0,
        urgency: Critical,
        summary: "A failing exec of gomon's own does not come back from the kernel.",
        what: "The agent at {{ $labels.instance }} makes a program fail on purpose and does not see it: it would not see that of a container either.",
        todo: "Look at /readyz and `gomon doctor` on that node. Another tool may have detached the programs; a restart of the agent attaches them anew.",
    },
    Own {
        name: "GomonConfigNotLoaded",
        expr: "gomon_config_reload_success == 0",
        minutes: 5,
        urgency: Warning,
        summary: "gomon could not read its changed configuration.",
        what: "The agent at {{ $labels.instance }} was told to read its configuration again and refused it: the old one stays in force.",
        todo: "`gomon agent --check-config` on that node names the file, the line and the reason.",
    },
    Own {
        name: "GomonInspectionsStuck",
        expr: "gomon_inspections_stuck > 0",
        minutes: 15,
        urgency: Warning,
        summary: "A look at a container's files does not come back.",
        what: "At {{ $labels.instance }} {{ $value }} inspections hang: a file system does not answer. Beyond 32 no further files are looked at.",
        todo: "Find the file system that hangs (NFS, FUSE): `/proc/PID/task/*/stack` of the agent names it.",
    },
    Own {
        name: "GomonNotConfined",
        expr: "gomon_confined == 0",
        minutes: 15,
        urgency: Info,
        summary: "gomon keeps more privileges than it needs.",
        what: "The restraint {{ $labels.restraint }} of the agent at {{ $labels.instance }} is not in force.",
        todo: "The log of its start says why; `gomon doctor` what it has.",
    },
    Own {
        name: "GomonLabelsOverwritten",
        expr: r#"count by (job, instance) (gomon_diagnoses_total{exported_container!=""}) > 0"#,
        minutes: 10,
        urgency: Warning,
        summary: "Prometheus takes gomon's own pod for the pod that failed.",
        what: "The scrape job of {{ $labels.instance }} puts its own labels over those of gomon: namespace, pod and \
               container of every finding name gomon itself.",
        todo: "Set `honor_labels: true` in the scrape job (`honorLabels: true` in a PodMonitor).",
    },
];

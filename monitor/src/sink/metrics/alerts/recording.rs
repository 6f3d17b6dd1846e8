//! The recording rules: sums and shares that dashboards and alerts ask for again and again.

/// One recording rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    /// `level:metric:operation`.
    pub name: &'static str,
    pub expr: &'static str,
    /// One sentence for the page.
    pub about: &'static str,
}

/// All of them.
pub const RECORDINGS: &[Recording] = &[
    Recording {
        name: "pattern:gomon_diagnosis_active:sum",
        expr: "sum by (pattern, severity) (gomon_diagnosis_active)",
        about: "Active findings by cause.",
    },
    Recording {
        name: "namespace:gomon_diagnosis_active:sum",
        expr: "sum by (namespace, severity) (gomon_diagnosis_active)",
        about: "Active findings by namespace.",
    },
    Recording {
        name: "instance:gomon_bpf_events_lost:ratio_rate5m",
        expr: r#"sum by (job, instance) (rate(gomon_bpf_events_total{result=~"lost_.+"}[5m]))
  /
sum by (job, instance) (rate(gomon_bpf_events_total{result="seen"}[5m]))"#,
        about: "The share of events that the kernel side saw and could not hand over.",
    },
    Recording {
        name: "instance:gomon_events_unattributed:ratio_rate5m",
        expr: r#"sum by (job, instance) (rate(gomon_events_unattributed_total{reason!="not_a_container"}[5m]))
  /
(
    sum by (job, instance) (rate(gomon_events_received_total[5m]))
  +
    sum by (job, instance) (rate(gomon_events_unattributed_total{reason!="not_a_container"}[5m]))
)"#,
        about: "The share of events whose container is unknown.",
    },
    Recording {
        name: "instance:gomon_event_latency_seconds:p99_rate5m",
        expr: "histogram_quantile(0.99, sum by (job, instance, le) (rate(gomon_event_latency_seconds_bucket[5m])))",
        about: "The latency that 99 of 100 events stay below.",
    },
    Recording {
        name: "instance:gomon_inspections_incomplete:ratio_rate15m",
        expr: r#"sum by (job, instance) (rate(gomon_inspections_total{result!="ok"}[15m]))
  /
sum by (job, instance) (rate(gomon_inspections_total[15m]))"#,
        about: "The share of inspections that could not establish everything.",
    },
];

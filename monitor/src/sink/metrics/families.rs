//! The metrics of the table as counters, gauges and histograms in a registry of gomon's own.

use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

use super::table::{self, Metric};

/// Upper bounds in seconds: from a ring read at once to a queue that is far behind.
const LATENCY_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Upper bounds in seconds: from a cached answer to a slow disk.
const INSPECTION_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// One handle for each metric of the table, process metrics apart.
#[derive(Debug, Clone)]
pub(super) struct Families {
    pub(super) diagnoses: IntCounterVec,
    pub(super) active: GaugeVec,
    pub(super) last: GaugeVec,
    pub(super) blind: IntGaugeVec,
    pub(super) info: GaugeVec,
    pub(super) exec_failures: IntCounterVec,
    pub(super) oom_kills: IntCounterVec,
    pub(super) signals: IntCounterVec,
    pub(super) build: IntGaugeVec,
    pub(super) ready: Gauge,
    pub(super) silence: Gauge,
    pub(super) confined: IntGaugeVec,
    pub(super) probe_attached: IntGaugeVec,
    pub(super) bpf_events: IntCounterVec,
    pub(super) received: IntCounterVec,
    pub(super) waiting: IntGauge,
    pub(super) set_aside: IntCounterVec,
    pub(super) dropped: IntCounterVec,
    pub(super) unattributed: IntCounterVec,
    pub(super) latency: Histogram,
    pub(super) program_runs: IntCounterVec,
    pub(super) program_seconds: CounterVec,
    pub(super) map_entries: IntGaugeVec,
    pub(super) map_capacity: IntGaugeVec,
    pub(super) container_series: Gauge,
    pub(super) container_series_max: Gauge,
    pub(super) inspections: IntCounterVec,
    pub(super) inspection_seconds: Histogram,
    pub(super) self_test_last: GaugeVec,
    pub(super) self_test_failures: IntCounterVec,
    pub(super) reload_success: IntGaugeVec,
    pub(super) reload_last: GaugeVec,
    pub(super) inspections_stuck: IntGaugeVec,
    pub(super) store: StoreFamilies,
    pub(super) otlp: OtlpFamilies,
    pub(super) kubernetes_events: IntCounterVec,
    pub(super) kubernetes_events_waiting: IntGaugeVec,
}

/// Those of the export of log records.
#[derive(Debug, Clone)]
pub(super) struct OtlpFamilies {
    pub(super) up: IntGaugeVec,
    pub(super) records: IntCounterVec,
    pub(super) exports: IntCounterVec,
    pub(super) queue: IntGaugeVec,
    pub(super) queue_bytes: IntGaugeVec,
}

impl OtlpFamilies {
    fn register(add: &Add<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            up: add.gauge(&table::OTLP_UP)?,
            records: add.counter(&table::OTLP_RECORDS)?,
            exports: add.counter(&table::OTLP_EXPORTS)?,
            queue: add.gauge(&table::OTLP_QUEUE)?,
            queue_bytes: add.gauge(&table::OTLP_QUEUE_BYTES)?,
        })
    }
}

/// Those of the store of incidents.
#[derive(Debug, Clone)]
pub(super) struct StoreFamilies {
    pub(super) up: IntGaugeVec,
    pub(super) incidents: IntGaugeVec,
    pub(super) bytes: IntGaugeVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) writes: IntCounterVec,
    pub(super) dropped: IntCounterVec,
    pub(super) pruned: IntCounterVec,
}

impl StoreFamilies {
    fn register(add: &Add<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            up: add.gauge(&table::STORE_UP)?,
            incidents: add.gauge(&table::STORE_INCIDENTS)?,
            bytes: add.gauge(&table::STORE_BYTES)?,
            waiting: add.gauge(&table::STORE_WAITING)?,
            writes: add.counter(&table::STORE_WRITES)?,
            dropped: add.counter(&table::STORE_DROPPED)?,
            pruned: add.counter(&table::STORE_PRUNED)?,
        })
    }
}

impl Families {
    /// Registers them all.
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let add = Add(registry);
        Ok(Self {
            diagnoses: add.counter(&table::DIAGNOSES)?,
            active: add.float_gauge(&table::DIAGNOSIS_ACTIVE)?,
            last: add.float_gauge(&table::DIAGNOSIS_LAST)?,
            blind: add.gauge(&table::PATTERN_BLIND)?,
            info: add.float_gauge(&table::CONTAINER_INFO)?,
            exec_failures: add.counter(&table::EXEC_FAILURES)?,
            oom_kills: add.counter(&table::OOM_KILLS)?,
            signals: add.counter(&table::SIGNALS)?,
            build: add.gauge(&table::BUILD_INFO)?,
            ready: add.plain(&table::READY)?,
            silence: add.plain(&table::PIPELINE_SILENCE)?,
            confined: add.gauge(&table::CONFINED)?,
            probe_attached: add.gauge(&table::PROBE_ATTACHED)?,
            bpf_events: add.counter(&table::BPF_EVENTS)?,
            received: add.counter(&table::RECEIVED)?,
            waiting: add.vector(IntGauge::with_opts(opts(&table::WAITING))?)?,
            set_aside: add.counter(&table::SET_ASIDE)?,
            dropped: add.counter(&table::DROPPED)?,
            unattributed: add.counter(&table::UNATTRIBUTED)?,
            latency: add.histogram(&table::LATENCY, LATENCY_BUCKETS)?,
            program_runs: add.counter(&table::PROGRAM_RUNS)?,
            program_seconds: add
                .vector(CounterVec::new(opts(&table::PROGRAM_SECONDS), table::PROGRAM_SECONDS.labels)?)?,
            map_entries: add.gauge(&table::MAP_ENTRIES)?,
            map_capacity: add.gauge(&table::MAP_CAPACITY)?,
            container_series: add.plain(&table::CONTAINER_SERIES)?,
            container_series_max: add.plain(&table::CONTAINER_SERIES_MAX)?,
            inspections: add.counter(&table::INSPECTIONS)?,
            inspection_seconds: add.histogram(&table::INSPECTION_SECONDS, INSPECTION_BUCKETS)?,
            self_test_last: add.float_gauge(&table::SELF_TEST_LAST)?,
            self_test_failures: add.counter(&table::SELF_TEST_FAILURES)?,
            reload_success: add.gauge(&table::RELOAD_SUCCESS)?,
            reload_last: add.float_gauge(&table::RELOAD_LAST)?,
            inspections_stuck: add.gauge(&table::INSPECTIONS_STUCK)?,
            store: StoreFamilies::register(&add)?,
            otlp: OtlpFamilies::register(&add)?,
            kubernetes_events: add.counter(&table::KUBERNETES_EVENTS)?,
            kubernetes_events_waiting: add.gauge(&table::KUBERNETES_EVENTS_WAITING)?,
        })
    }
}

/// A gauge without labels.
pub(super) fn gauge(metric: &Metric) -> prometheus::Result<Gauge> {
    Gauge::with_opts(opts(metric))
}

/// The name and help of a metric.
pub(super) fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

struct Add<'a>(&'a Registry);

impl Add<'_> {
    fn counter(&self, metric: &Metric) -> prometheus::Result<IntCounterVec> {
        self.vector(IntCounterVec::new(opts(metric), metric.labels)?)
    }

    fn gauge(&self, metric: &Metric) -> prometheus::Result<IntGaugeVec> {
        self.vector(IntGaugeVec::new(opts(metric), metric.labels)?)
    }

    fn plain(&self, metric: &Metric) -> prometheus::Result<Gauge> {
        self.vector(gauge(metric)?)
    }

    fn float_gauge(&self, metric: &Metric) -> prometheus::Result<GaugeVec> {
        self.vector(GaugeVec::new(opts(metric), metric.labels)?)
    }

    fn histogram(&self, metric: &Metric, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.vector(Histogram::with_opts(HistogramOpts::from(opts(metric)).buckets(buckets.to_vec()))?)
    }

    fn vector<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

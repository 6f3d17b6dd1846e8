//! gomon's Prometheus metrics: counts what it is told, never asks the kernel or a container itself.

pub mod alerts;
mod containers;
mod families;
mod otlp;
mod process;
mod series;
mod sight;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use monitor_common::probe::{Probe, Tally};
use prometheus::{CounterVec, IntCounterVec, Registry, TextEncoder};

use crate::{
    model::{
        container::Identity,
        diagnosis::Diagnosis,
        observation::{Loss, Observation},
        time::{BootEpoch, BootNs},
    },
    patterns::{CATALOGUE, Need},
    sink::{events::Posted, store::Tallies},
};

use containers::Containers;
use families::Families;
use process::ProcessCollector;
pub use table::{
    Dropped, EventWrite, Inspected, Kind, METRICS, Metric, OtlpExports, OtlpRecords, Pruned, SetAside,
    StoreWrite, Unattributed, book,
};

/// The most series with container labels, where nothing else is configured.
pub const DEFAULT_MAX_SERIES: usize = 20_000;

/// Why metrics could not be set up or written.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("cannot register a metric")]
    Register(#[source] prometheus::Error),
    #[error("cannot write the metrics as text")]
    Encode(#[source] prometheus::Error),
}

/// The running build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    pub version: &'static str,
    /// The commit, empty where it was not known at build time.
    pub revision: &'static str,
    pub rust_version: &'static str,
}

/// All metrics of one agent.
pub struct Metrics {
    registry: Registry,
    families: Families,
    containers: Containers,
    attached: BTreeSet<Probe>,
}

/// What a scrape reads; cheap to clone, and encodes without holding up [`Metrics`].
#[derive(Clone)]
pub struct Scrape(Registry);

impl Scrape {
    /// The text exposition format, version 0.0.4.
    pub fn encode(&self) -> Result<String, MetricsError> {
        TextEncoder::new().encode_to_string(&self.0.gather()).map_err(MetricsError::Encode)
    }
}

impl Metrics {
    /// Metrics in a registry of their own. All probes count as detached until [`Self::set_probe`] says otherwise.
    pub fn new(build: Build, epoch: BootEpoch, max_series: usize) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let families = Families::register(&registry).map_err(MetricsError::Register)?;
        let process = ProcessCollector::new().map_err(MetricsError::Register)?;
        registry.register(Box::new(process)).map_err(MetricsError::Register)?;
        let Build { version, revision, rust_version } = build;
        families.build.with_label_values(&[version, revision, rust_version]).set(1);
        for dropped in Dropped::ALL {
            families.dropped.with_label_values(&dropped.labels());
        }
        for reason in Unattributed::ALL {
            families.unattributed.with_label_values(&[reason.labels()]);
        }
        for reason in SetAside::ALL {
            families.set_aside.with_label_values(&[reason.labels()]);
        }
        for result in Inspected::ALL {
            families.inspections.with_label_values(&[result.labels()]);
        }
        for probe in Probe::ALL {
            families.received.with_label_values(&[probe.name()]);
        }
        for gauge in [&families.self_test_last, &families.reload_last] {
            gauge.with_label_values::<&str>(&[]);
        }
        families.reload_success.with_label_values::<&str>(&[]);
        families.self_test_failures.with_label_values::<&str>(&[]);
        families.inspections_stuck.with_label_values::<&str>(&[]).set(0);
        let containers = Containers::new(families.clone(), epoch, max_series);
        let metrics = Self { registry, families, containers, attached: BTreeSet::new() };
        metrics.tell_probes();
        metrics.set_store(Tallies::default());
        metrics.set_otlp(otlp::Tallies::default());
        metrics.set_kubernetes_events(Posted::default());
        Ok(metrics)
    }

    /// Counts what the engine observes: container counters, names and facts, lost events, blind probes, time.
    pub fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::Host { .. } | Observation::Slept { .. } => {}
            Observation::ClockSet { epoch, .. } => self.containers.epoch = *epoch,
            Observation::Appeared { run, at, from_birth: _ } => {
                self.containers.appeared(&run.container, run.cgroup, *at);
            }
            Observation::Happened { run, event } => self.containers.happened(&run.container, event),
            Observation::Learned { run, at, fact } => self.containers.learned(&run.container, *at, fact),
            Observation::Vanished { run, at } => self.containers.vanished(&run.container, run.cgroup, *at),
            Observation::Tick { at } => self.expire(*at),
            Observation::Lost { at: _, probe: _, count, reason } => {
                let what = match reason {
                    Loss::RingFull => Dropped::Ring,
                    Loss::Unreadable => Dropped::Unreadable,
                    Loss::Skipped => Dropped::Skipped,
                };
                self.dropped(what, *count);
            }
            Observation::KeptBack { run: _, at: _, probe: _, count, ended: _ } => {
                self.dropped(Dropped::Flood, *count);
            }
            Observation::Blind { at: _, probe, why: _ } => {
                if let Some(probe) = Probe::ALL.into_iter().find(|known| known.name() == probe) {
                    self.set_probe(probe, false);
                }
            }
        }
    }

    /// Counts a new or repeated diagnosis; only what its `count` grew by since the last call.
    pub fn diagnosed(&mut self, diagnosis: &Diagnosis, identity: &Identity) {
        self.containers.diagnosed(diagnosis, identity);
    }

    /// Ends findings that are 15 minutes old and removes the series of containers gone as long. A tick does it too.
    pub fn expire(&mut self, now: BootNs) {
        self.containers.expire(now);
    }

    /// A probe was attached, or can no longer see.
    pub fn set_probe(&mut self, probe: Probe, attached: bool) {
        if attached {
            self.attached.insert(probe);
        } else {
            self.attached.remove(&probe);
        }
        self.tell_probes();
    }

    /// Whether gomon sees all that it should, and for how long its pipeline has been silent.
    pub fn set_health(&self, is_ready: bool, silent: Duration) {
        self.families.ready.set(if is_ready { 1.0 } else { 0.0 });
        self.families.silence.set(silent.as_secs_f64());
    }

    /// Whether a restraint on gomon itself is in force.
    pub fn set_confined(&self, restraint: &str, is_in_force: bool) {
        self.families.confined.with_label_values(&[restraint]).set(i64::from(is_in_force));
    }

    /// The kernel's own count of events of a probe, summed over CPUs.
    pub fn set_bpf_events(&self, probe: Probe, tally: Tally, total: u64) {
        raise(&self.families.bpf_events, &[probe.name(), tally.name()], total);
    }

    /// So many events reached user space in all.
    pub fn set_received(&self, probe: Probe, total: u64) {
        raise(&self.families.received, &[probe.name()], total);
    }

    /// So many of them wait for older ones.
    pub fn set_waiting(&self, count: usize) {
        self.families.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An event has its place in a container's timeline, so long after it happened.
    pub fn placed(&self, latency: Duration) {
        self.families.latency.observe(latency.as_secs_f64());
    }

    /// Events are nobody's; how many in all.
    pub fn set_aside(&self, why: SetAside, total: u64) {
        raise(&self.families.set_aside, &[why.labels()], total);
    }

    /// Something was given up.
    pub fn dropped(&self, what: Dropped, count: u64) {
        self.families.dropped.with_label_values(&what.labels()).inc_by(count);
    }

    /// Events have no container; how many in all.
    pub fn set_unattributed(&self, why: Unattributed, total: u64) {
        raise(&self.families.unattributed, &[why.labels()], total);
    }

    /// What the kernel says of one of its programs.
    pub fn set_program(&self, program: &str, runs: u64, run_time: Duration) {
        raise(&self.families.program_runs, &[program], runs);
        raise_seconds(&self.families.program_seconds, program, run_time);
    }

    /// How full a kernel map is.
    pub fn set_map(&self, map: &str, entries: u64, capacity: u64) {
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.families.map_entries.with_label_values(&[map]).set(whole(entries));
        self.families.map_capacity.with_label_values(&[map]).set(whole(capacity));
    }

    /// How the store of incidents stands.
    pub fn set_store(&self, tallies: Tallies) {
        let Tallies { is_up, written, failed, dropped, pruned_age, pruned_size, waiting, incidents, bytes } =
            tallies;
        let store = &self.families.store;
        for (gauge, value) in [
            (&store.up, u64::from(is_up)),
            (&store.waiting, waiting),
            (&store.incidents, incidents),
            (&store.bytes, bytes),
        ] {
            gauge.with_label_values::<&str>(&[]).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        raise(&store.writes, &[StoreWrite::Written.labels()], written);
        raise(&store.writes, &[StoreWrite::Failed.labels()], failed);
        raise(&store.dropped, &[], dropped);
        raise(&store.pruned, &[Pruned::Age.labels()], pruned_age);
        raise(&store.pruned, &[Pruned::Size.labels()], pruned_size);
    }

    /// What became of Kubernetes Events.
    pub fn set_kubernetes_events(&self, posted: Posted) {
        let Posted { created, patched, failed, refused, dropped, waiting } = posted;
        for (result, total) in [
            (EventWrite::Created, created),
            (EventWrite::Patched, patched),
            (EventWrite::Failed, failed),
            (EventWrite::Refused, refused),
            (EventWrite::Dropped, dropped),
        ] {
            raise(&self.families.kubernetes_events, &[result.labels()], total);
        }
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.families.kubernetes_events_waiting.with_label_values::<&str>(&[]).set(waiting);
    }

    /// An inspection ended.
    pub fn inspected(&self, result: Inspected, took: Duration) {
        self.families.inspections.with_label_values(&[result.labels()]).inc();
        self.families.inspection_seconds.observe(took.as_secs_f64());
    }

    /// So many inspections broke off or found no place.
    pub fn inspections_failed(&self, count: u64) {
        self.families.inspections.with_label_values(&[Inspected::Failed.labels()]).inc_by(count);
    }

    /// A call of gomon's own came back.
    pub fn self_tested(&self, at: Timestamp) {
        self.families.self_test_last.with_label_values::<&str>(&[]).set(at.as_duration().as_secs_f64());
    }

    /// A call of gomon's own did not come back in time.
    pub fn self_test_failed(&self) {
        self.families.self_test_failures.with_label_values::<&str>(&[]).inc();
    }

    /// The configuration was read; `None` where it was wrong and all stays as it was.
    pub fn configured(&self, at: Option<Timestamp>) {
        self.families.reload_success.with_label_values::<&str>(&[]).set(i64::from(at.is_some()));
        if let Some(at) = at {
            self.families.reload_last.with_label_values::<&str>(&[]).set(at.as_duration().as_secs_f64());
        }
    }

    /// The most series with container labels from now on. Those that exist stay until their containers are gone.
    pub fn set_max_series(&mut self, max_series: usize) {
        self.containers.set_max(max_series);
    }

    /// So many inspections have not come back in time.
    pub fn set_stuck(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.families.inspections_stuck.with_label_values::<&str>(&[]).set(count);
    }

    /// A handle to encode the metrics with, while this value goes on counting.
    #[must_use]
    pub fn scrape(&self) -> Scrape {
        Scrape(self.registry.clone())
    }

    /// The text exposition format, version 0.0.4.
    pub fn encode(&self) -> Result<String, MetricsError> {
        self.scrape().encode()
    }

    fn tell_probes(&self) {
        for probe in Probe::ALL.into_iter().filter(|probe| !probe.is_told_by_others()) {
            let attached = i64::from(self.attached.contains(&probe));
            self.families.probe_attached.with_label_values(&[probe.name()]).set(attached);
        }
        for pattern in CATALOGUE {
            let blind = pattern.needs.iter().any(|need| match need {
                Need::Probe(probe) => !self.attached.contains(probe),
                Need::Config
                | Need::Entrypoint
                | Need::Birth
                | Need::Dlopen
                | Need::Passwd
                | Need::Processes
                | Need::CpuStat
                | Need::WrittenFiles
                | Need::TrustStore => false,
            });
            self.families.blind.with_label_values(&[pattern.id]).set(i64::from(blind));
        }
    }
}

/// Brings a counter to `total`. A smaller total means that its source began anew at zero.
fn raise(vector: &IntCounterVec, labels: &[&str], total: u64) {
    let counter = vector.with_label_values(labels);
    if total < counter.get() {
        counter.reset();
    }
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// [`raise`] for seconds.
fn raise_seconds(vector: &CounterVec, label: &str, total: Duration) {
    let counter = vector.with_label_values(&[label]);
    let total = total.as_secs_f64();
    if total < counter.get() {
        counter.reset();
    }
    counter.inc_by((total - counter.get()).max(0.0));
}

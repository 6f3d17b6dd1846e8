//! gomon's own CPU time, memory and file descriptors, read from /proc/self at each scrape.

use procfs::{
    WithCurrentSystemInfo,
    process::{LimitValue, Process},
};
use prometheus::{
    Counter, Gauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    families::{gauge, opts},
    table,
};

/// Collects the `process_*` metrics. What /proc does not tell is left out, never zero.
pub(super) struct ProcessCollector {
    cpu: Counter,
    resident: Gauge,
    virtual_memory: Gauge,
    fds: Gauge,
    max_fds: Gauge,
    start: Gauge,
}

impl ProcessCollector {
    pub(super) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            cpu: Counter::with_opts(opts(&table::PROCESS_CPU))?,
            resident: gauge(&table::PROCESS_RESIDENT)?,
            virtual_memory: gauge(&table::PROCESS_VIRTUAL)?,
            fds: gauge(&table::PROCESS_FDS)?,
            max_fds: gauge(&table::PROCESS_MAX_FDS)?,
            start: gauge(&table::PROCESS_START)?,
        })
    }

    fn all(&self) -> [&dyn Collector; 6] {
        [&self.cpu, &self.resident, &self.virtual_memory, &self.fds, &self.max_fds, &self.start]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(own) = Process::myself() else { return Vec::new() };
        let mut read: Vec<&dyn Collector> = Vec::new();
        if let Ok(stat) = own.stat() {
            let ticks = procfs::ticks_per_second();
            let seconds = float(stat.utime + stat.stime) / float(ticks);
            // A counter cannot be set; between two scrapes it only grows.
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
            self.resident.set(float(stat.rss_bytes().get()));
            self.virtual_memory.set(float(stat.vsize));
            read.extend([&self.cpu as &dyn Collector, &self.resident, &self.virtual_memory]);
            if let Ok(boot) = procfs::boot_time_secs() {
                self.start.set(float(boot) + float(stat.starttime) / float(ticks));
                read.push(&self.start);
            }
        }
        if let Ok(count) = own.fd_count() {
            self.fds.set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
            read.push(&self.fds);
        }
        if let Ok(limits) = own.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            self.max_fds.set(float(most));
            read.push(&self.max_fds);
        }
        read.into_iter().flat_map(Collector::collect).collect()
    }
}

/// The value as Prometheus has it: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "Prometheus samples are f64")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

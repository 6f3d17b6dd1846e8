//! The clock of kernel events.

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{BootEpoch, BootNs};

fn nanos(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// Now, as `bpf_ktime_get_boot_ns` counts it.
pub fn now() -> BootNs {
    BootNs(u64::try_from(nanos(ClockId::Boottime)).unwrap_or(0))
}

/// The wall-clock time of boot, as the clocks tell it now.
pub fn boot_epoch() -> BootEpoch {
    BootEpoch(nanos(ClockId::Realtime) - nanos(ClockId::Boottime))
}

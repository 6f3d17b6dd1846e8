//! Per-CPU counters of everything seen, filtered, submitted and lost.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use monitor_common::probe::{COUNTERS as COUNTER_COUNT, Probe, Tally, counter_index};

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTER_COUNT, 0);

/// Adds one. Not atomic: the kernel lets no program nest inside itself on one CPU, and each probe's counters
/// are written by one program.
#[inline(always)]
pub(crate) fn count(probe: Probe, tally: Tally) {
    if let Some(counter) = COUNTERS.get_ptr_mut(counter_index(probe, tally)) {
        // SAFETY: a pointer into this CPU's slot of the map, valid for the run of the program.
        unsafe { *counter += 1 };
    }
}

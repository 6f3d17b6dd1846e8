//! Per-CPU counters of everything seen, filtered, submitted, kept back and lost.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use monitor_common::probe::{COUNTERS as COUNTER_COUNT, Probe, TALLIES, Tally, counter_index};

#[map]
static COUNTERS: PerCpuArray<[u64; TALLIES]> = PerCpuArray::with_max_entries(COUNTER_COUNT, 0);

/// The counters of one program about one probe.
#[derive(Clone, Copy)]
pub(crate) struct Book {
    pub(crate) probe: Probe,
    counters: *mut [u64; TALLIES],
}

impl Book {
    /// Opens the book of a probe and counts an event as seen. A probe that several programs serve has a book for each
    /// of them: the kernel lets no program nest inside itself on one CPU, but it may preempt one by another.
    #[inline(always)]
    pub(crate) fn open(probe: Probe, program: u32) -> Option<Self> {
        let counters = COUNTERS.get_ptr_mut(counter_index(probe, program))?;
        let book = Self { probe, counters };
        book.count(Tally::Seen);
        Some(book)
    }

    #[inline(always)]
    pub(crate) fn count(&self, tally: Tally) {
        // SAFETY: a pointer into this CPU's slot of the map, which this program alone writes; valid for its run.
        unsafe { (*self.counters)[tally as usize] += 1 };
    }
}

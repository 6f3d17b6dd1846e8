//! Per-CPU counters of everything seen, filtered, submitted, kept back and lost.

use core::arch::asm;

use aya_ebpf::{macros::map, maps::PerCpuArray};
use monitor_common::probe::{COUNTERS as COUNTER_COUNT, Probe, TALLIES, Tally, counter_index};

#[map]
static COUNTERS: PerCpuArray<[u64; TALLIES]> = PerCpuArray::with_max_entries(COUNTER_COUNT, 0);

/// The counters of one program about one probe.
#[derive(Clone, Copy)]
pub(crate) struct Book {
    pub(crate) probe: Probe,
    counters: *mut [u64; TALLIES],
    /// Another run of the same program may come between reading and writing a counter.
    is_preemptible: bool,
}

impl Book {
    /// Opens the book of a probe and counts an event as seen. A probe that several programs serve has a book for each
    /// of them: the kernel lets no program nest inside itself on one CPU, but it may preempt one by another.
    #[inline(always)]
    pub(crate) fn open(probe: Probe, program: u32) -> Option<Self> {
        Self::opened(probe, program, false)
    }

    /// The same where another run may come between: for a program of a user space probe, which from Linux 6.0 the kernel
    /// lets another task preempt, and for a book that all programs share.
    #[inline(always)]
    pub(crate) fn open_preemptible(probe: Probe, program: u32) -> Option<Self> {
        Self::opened(probe, program, true)
    }

    #[inline(always)]
    fn opened(probe: Probe, program: u32, is_preemptible: bool) -> Option<Self> {
        let counters = COUNTERS.get_ptr_mut(counter_index(probe, program))?;
        let book = Self { probe, counters, is_preemptible };
        book.count(Tally::Seen);
        Some(book)
    }

    #[inline(always)]
    pub(crate) fn count(&self, tally: Tally) {
        if self.is_preemptible {
            // SAFETY: a pointer into this CPU's slot of the map, aligned for a u64 and valid for the program's run. The
            // target has the instruction, but core offers it no atomic addition.
            unsafe {
                let counter = self.counters.cast::<u64>().add(tally as usize);
                asm!("lock *(u64 *)({counter} + 0) += {one}", counter = in(reg) counter, one = in(reg) 1_u64);
            }
            return;
        }
        // SAFETY: a pointer into this CPU's slot of the map, which this program alone writes; valid for its run.
        unsafe { (*self.counters)[tally as usize] += 1 };
    }
}

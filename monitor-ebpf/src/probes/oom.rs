//! `mark_victim`: the kernel chose a process to kill for memory.

use core::ptr::addr_of_mut;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    limits::COMM_BYTES,
    offsets::Offset,
    probe::{Probe, Tally},
    record::OomKill,
};

use crate::{
    cgroup,
    counters::Book,
    globals::victim_is_task,
    read::Kernel,
    ring::{Lane, emit},
    task,
};

#[btf_tracepoint(function = "mark_victim")]
pub(crate) fn mark_victim(ctx: BtfTracePointContext) -> i32 {
    let Some(book) = Book::open(Probe::OomKill, 0) else { return 0 };
    if victim_is_task() {
        with_task(book, Kernel::typed(ctx.arg(0)))
    } else {
        with_pid(book, ctx.arg(0))
    }
    0
}

/// The task that allocates may belong to another container: the victim's cgroup is the one that counts.
#[inline(always)]
fn with_task(book: Book, victim: Kernel) {
    let cgroup = cgroup::of_task(victim).unwrap_or(0);
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    emit::<OomKill>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of an `OomKill`.
        unsafe {
            addr_of_mut!((*record).victim_tgid).write(task::tgid(victim));
            addr_of_mut!((*record).victim_ns_tgid).write(task::ns_tgid(victim).unwrap_or(0));
            addr_of_mut!((*record).anon_pages).write(task::resident_pages(victim, Offset::RssAnon));
            addr_of_mut!((*record).file_pages).write(task::resident_pages(victim, Offset::RssFile));
            addr_of_mut!((*record).shmem_pages).write(task::resident_pages(victim, Offset::RssShmem));
            addr_of_mut!((*record).limit_pages).write(cgroup::memory_limit(victim));
            addr_of_mut!((*record).victim_comm).write(task::comm(victim));
        }
        Some(())
    });
}

/// Kernels whose tracepoint passes only the pid: a memory cgroup's OOM runs in a task of the same cgroup.
#[inline(always)]
fn with_pid(book: Book, victim: i32) {
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    emit::<OomKill>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of an `OomKill`.
        unsafe {
            addr_of_mut!((*record).victim_tgid).write(victim as u32);
            addr_of_mut!((*record).victim_ns_tgid).write(0);
            addr_of_mut!((*record).anon_pages).write(-1);
            addr_of_mut!((*record).file_pages).write(-1);
            addr_of_mut!((*record).shmem_pages).write(-1);
            addr_of_mut!((*record).limit_pages).write(cgroup::memory_limit(task::current()));
            addr_of_mut!((*record).victim_comm).write([0; COMM_BYTES]);
        }
        Some(())
    });
}

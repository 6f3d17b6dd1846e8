//! `sched_process_exit`: the last thread of a process is gone, or a seccomp filter ended one of several.

use core::ptr::addr_of_mut;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    probe::{Probe, Tally},
    record::Exit,
};

use crate::{
    cgroup,
    counters::Book,
    globals::group_dead_is_told,
    probes::syscall::thread_ended,
    read::Kernel,
    ring::{Lane, emit},
    task,
};

#[btf_tracepoint(function = "sched_process_exit")]
pub(crate) fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(book) = Book::open(Probe::Exit, 0) else { return 0 };
    let cgroup = cgroup::current();
    let task = Kernel::typed(ctx.arg(0));
    // From 6.16 the tracepoint says it: (struct task_struct *p, bool group_dead). Before, two threads that end at the
    // same time may both find that none is left; user space drops the second.
    let is_last =
        if group_dead_is_told() { ctx.arg::<u64>(1) as u8 != 0 } else { task::is_last_thread(task) };
    let is_watched = cgroup::watched(cgroup);
    if !is_watched || !is_last {
        book.count(Tally::Filtered);
        if is_watched && task::is_ended_alone_by_seccomp(task) {
            thread_ended(cgroup);
        }
        return 0;
    }
    let lane = if task::ns_tgid(task) == Some(1) { Lane::Precious } else { Lane::Ordinary };
    emit::<Exit>(lane, book, cgroup, |record| {
        // SAFETY: reserved memory of an `Exit`.
        unsafe {
            addr_of_mut!((*record).status).write(task::exit_status(task));
            addr_of_mut!((*record).parent_tgid).write(task::parent_tgid(task));
        }
        Some(())
    });
    0
}

//! `sched_process_exec`: a new program runs.

use core::ptr::addr_of_mut;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    offsets::Offset,
    probe::{Probe, Tally},
    record::Exec,
};

use crate::{
    cgroup,
    counters::Book,
    read::{Kernel, kernel_string},
    ring::{Lane, emit},
    task,
};

#[btf_tracepoint(function = "sched_process_exec")]
pub(crate) fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let Some(book) = Book::open(Probe::Exec, 0) else { return 0 };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        book.count(Tally::Filtered);
        return 0;
    }
    // Prototype: (struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm).
    let task = Kernel::typed(ctx.arg(0));
    let bprm = Kernel::typed(ctx.arg(2));
    // What PID 1 of a container becomes decides every verdict about its start.
    let lane = if task::ns_tgid(task) == Some(1) { Lane::Precious } else { Lane::Ordinary };
    emit::<Exec>(lane, book, cgroup, |record| {
        let path: u64 = bprm.get(Offset::BprmFilename)?;
        let interpreter: u64 = bprm.get(Offset::BprmInterp)?;
        // SAFETY: reserved memory of an `Exec`.
        unsafe {
            addr_of_mut!((*record).parent_tgid).write(task::parent_tgid(task));
            addr_of_mut!((*record).reserved).write(0);
            kernel_string(path, addr_of_mut!((*record).path))?;
            kernel_string(interpreter, addr_of_mut!((*record).interpreter))?;
        }
        Some(())
    });
    0
}

//! What a `task_struct` tells: ids, names, parent, exit status, memory.

use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_current_task_btf};
use monitor_common::{
    limits::{COMM_BYTES, COMMAND_BYTES},
    offsets::Offset,
    signal::SIGSYS,
};

use crate::{
    globals::{offset, task_is_typed},
    read::{Kernel, user_bytes, value},
};

/// The current task.
#[inline(always)]
pub(crate) fn current() -> Kernel {
    // SAFETY: helpers without arguments.
    unsafe {
        if task_is_typed() {
            Kernel::typed(bpf_get_current_task_btf() as u64)
        } else {
            Kernel::untyped(bpf_get_current_task())
        }
    }
}

#[inline(always)]
pub(crate) fn tgid(task: Kernel) -> u32 {
    task.get(Offset::TaskTgid).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn tid(task: Kernel) -> u32 {
    task.get(Offset::TaskPid).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn comm(task: Kernel) -> [u8; COMM_BYTES] {
    task.bytes(Offset::TaskComm).unwrap_or([0; COMM_BYTES])
}

#[inline(always)]
pub(crate) fn parent_tgid(task: Kernel) -> u32 {
    task.follow(Offset::TaskRealParent).map_or(0, tgid)
}

/// More than `MAX_PID_NS_LEVEL` (32) times the size of a `struct upid` (16).
const NUMBERS_MASK: u64 = 0x3ff;

/// The process id in the task's innermost pid namespace: `task->signal->pids[PIDTYPE_TGID]->numbers[level].nr`.
#[inline(always)]
pub(crate) fn ns_tgid(task: Kernel) -> Option<u32> {
    let pid = task.follow(Offset::TaskSignal)?.follow(Offset::SignalTgid)?;
    let level: u32 = pid.get(Offset::PidLevel)?;
    // Before 6.16 the verifier forgets the bounds of a product, and adds no unbounded number to a typed pointer.
    let own = (u64::from(level) * offset(Offset::UpidSize)? as u64) & NUMBERS_MASK;
    value(pid.address().wrapping_add(offset(Offset::PidNumbers)? as u64 + own))
}

/// No other thread of the process is left (`signal->live` is 0 in `sched_process_exit` of the last one).
#[inline(always)]
pub(crate) fn is_last_thread(task: Kernel) -> bool {
    let live: Option<i32> = task.follow(Offset::TaskSignal).and_then(|signal| signal.get(Offset::SignalLive));
    match live {
        Some(live) => live == 0,
        // Without the count the leader's end stands for the process's.
        None => tgid(task) == tid(task),
    }
}

/// As wait(2) returns it.
#[inline(always)]
pub(crate) fn exit_status(task: Kernel) -> i32 {
    task.get(Offset::TaskExitCode).unwrap_or(0)
}

/// A seccomp filter ended this thread and no other: it exits with SIGSYS, and its process goes on. Such an end is no
/// signal that was sent. Where one ends a whole process, all of its threads exit with the same status.
#[inline(always)]
pub(crate) fn is_ended_alone_by_seccomp(task: Kernel) -> bool {
    const SIGNAL: i32 = 0x7f;
    /// `SIGNAL_GROUP_EXIT`, and before 5.17 `SIGNAL_GROUP_COREDUMP`, of include/linux/sched/signal.h.
    const PROCESS_ENDS: u32 = 4 | 8;
    let flags = || task.follow(Offset::TaskSignal)?.get::<u32>(Offset::SignalFlags);
    exit_status(task) & SIGNAL == SIGSYS && flags().is_some_and(|flags| flags & PROCESS_ENDS == 0)
}

/// The system call came through the 32-bit entry, whose numbers mean something else (`TS_COMPAT`).
#[inline(always)]
pub(crate) fn in_compat_syscall(task: Kernel) -> bool {
    const TS_COMPAT: u32 = 2;
    task.get::<u32>(Offset::TaskStatus).is_some_and(|status| status & TS_COMPAT != 0)
}

/// Resident pages of one kind; -1 if unknown. The counter is approximate: per-CPU parts are not added.
#[inline(always)]
pub(crate) fn resident_pages(task: Kernel, kind: Offset) -> i64 {
    let mm = task.follow(Offset::TaskMm).filter(|mm| mm.address() != 0);
    // Before 6.2 an element of an array, which the verifier lets no plain load into.
    mm.and_then(|mm| mm.bytes(kind)).map_or(-1, i64::from_ne_bytes)
}

/// Copies the end of the current task's command line; its length.
///
/// # Safety
/// `into` must be valid for writing.
#[inline(always)]
pub(crate) unsafe fn command(into: *mut [u8; COMMAND_BYTES]) -> Option<u32> {
    let mm = current().follow(Offset::TaskMm).filter(|mm| mm.address() != 0)?;
    let (start, end): (u64, u64) = (mm.get(Offset::MmArgStart)?, mm.get(Offset::MmArgEnd)?);
    let length = end.wrapping_sub(start).min(COMMAND_BYTES as u64 - 1);
    // SAFETY: the caller vouches for `into`.
    unsafe { user_bytes(end.wrapping_sub(length), length, into) }?;
    Some(length as u32)
}

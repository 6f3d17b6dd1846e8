//! `sys_exit`: failing execs, telling opens and TLS refusals, read when the call returns.
//!
//! At entry the page of a path may not be mapped yet and reads empty; at exit the kernel has touched it, and the
//! arguments are still in the saved registers.

use core::ptr::addr_of_mut;

use aya_ebpf::{
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use aya_log_ebpf::debug;
use monitor_common::{
    limits::PATH_BYTES,
    path::{self, PathBuffer},
    probe::{Probe, Tally},
    record::{ExecFailed, Open, TlsAlert},
    tls,
};

use crate::{
    arch::{self, Syscall},
    cgroup,
    counters::count,
    read::{user_string, user_value},
    ring::{Lane, emit},
    task,
};

/// Room to classify a path before anything is reserved.
#[map]
static SCRATCH: PerCpuArray<PathBuffer> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's prototype is (struct pt_regs *regs, long ret).
    let call = unsafe { Syscall::returning(ctx.arg(0)) };
    let result: i64 = ctx.arg(1);
    match call.number {
        arch::OPENAT | arch::OPENAT2 => opened(&call, 1, result),
        arch::EXECVE if result < 0 => exec_failed(&ctx, &call, 0, result),
        arch::EXECVEAT if result < 0 => exec_failed(&ctx, &call, 1, result),
        arch::WRITE if tls::may_be_refusal(result) => wrote(&call, result),
        number if Some(number) == arch::OPEN => opened(&call, 0, result),
        _ => {}
    }
    0
}

/// `path_at`: which argument is the path; the next one is `flags`, or a pointer to `open_how` whose first member is.
#[inline(always)]
fn opened(call: &Syscall, path_at: u32, result: i64) {
    count(Probe::Open, Tally::Seen);
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) || task::in_compat_syscall(task::current()) {
        return count(Probe::Open, Tally::Filtered);
    }
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else { return };
    // SAFETY: a pointer into this CPU's slot; no program nests inside itself.
    let Some(read) = (unsafe { user_string(call.argument(path_at), scratch.cast::<[u8; PATH_BYTES]>()) })
    else {
        // A bad pointer is the program's own EFAULT; anything else is ours to count.
        return count(Probe::Open, if result == -14 { Tally::Filtered } else { Tally::LostUnreadable });
    };
    // SAFETY: as above; fully initialised, map memory always is.
    let class = path::classify(unsafe { &*scratch }, read.saturating_sub(1));
    if !path::wanted(class, result) {
        return count(Probe::Open, Tally::Filtered);
    }
    let second = call.argument(path_at + 1);
    let flags = if call.number == arch::OPENAT2 { user_value::<u64>(second).unwrap_or(0) } else { second };
    emit::<Open>(Lane::Ordinary, Probe::Open, cgroup, |record| {
        // SAFETY: reserved memory of an `Open`, and this CPU's scratch.
        unsafe {
            addr_of_mut!((*record).result).write(result as i32);
            addr_of_mut!((*record).flags).write(flags as u32);
            addr_of_mut!((*record).class).write(class as u32);
            addr_of_mut!((*record).reserved).write(0);
            addr_of_mut!((*record).path).cast::<PathBuffer>().write(*scratch);
        }
        Some(())
    });
}

/// `path_at`: which argument is the path; the next one is `argv`.
#[inline(always)]
fn exec_failed(ctx: &BtfTracePointContext, call: &Syscall, path_at: u32, result: i64) {
    count(Probe::ExecFailed, Tally::Seen);
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) || task::in_compat_syscall(task::current()) {
        return count(Probe::ExecFailed, Tally::Filtered);
    }
    let argv = call.argument(path_at + 1);
    emit::<ExecFailed>(Lane::Precious, Probe::ExecFailed, cgroup, |record| {
        // SAFETY: reserved memory of an `ExecFailed`.
        unsafe {
            addr_of_mut!((*record).errno).write((-result) as i32);
            addr_of_mut!((*record).reserved).write(0);
            let path = addr_of_mut!((*record).path);
            // After the point of no return the old memory is gone and with it the path; the failure still counts.
            if user_string(call.argument(path_at), path).is_none() {
                path.cast::<u8>().write(0);
                debug!(ctx, "execve failed with {} and an unreadable path", -result);
            }
            let argv0 = addr_of_mut!((*record).argv0);
            let read = user_value::<u64>(argv).and_then(|first| user_string(first, argv0));
            if read.is_none() {
                argv0.cast::<u8>().write(0);
            }
        }
        Some(())
    });
}

/// A write of a size that a TLS refusal has.
#[inline(always)]
fn wrote(call: &Syscall, written: i64) {
    count(Probe::TlsAlert, Tally::Seen);
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) || task::in_compat_syscall(task::current()) {
        return count(Probe::TlsAlert, Tally::Filtered);
    }
    let prefix: Option<[u8; tls::PREFIX]> = user_value(call.argument(1));
    match prefix {
        Some(prefix) if tls::is_refusal(&prefix, written) => {}
        _ => return count(Probe::TlsAlert, Tally::Filtered),
    }
    emit::<TlsAlert>(Lane::Precious, Probe::TlsAlert, cgroup, |record| {
        // SAFETY: reserved memory of a `TlsAlert`.
        unsafe {
            addr_of_mut!((*record).fd).write(call.argument(0) as u32);
            addr_of_mut!((*record).length).write(written as u32);
        }
        Some(())
    });
}

//! `signal_generate` and `signal_deliver`: who sent which signal, and what its target does with it.

use core::ptr::addr_of_mut;

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    offsets::Offset,
    probe::{Probe, Tally},
    record::{SignalDelivered, SignalSent},
    signal::{SIGKILL, SIGSYS, is_noise},
};

use crate::{
    cgroup,
    counters::Book,
    read::{Kernel, value},
    ring::{Lane, emit},
    task,
};

#[btf_tracepoint(function = "signal_generate")]
pub(crate) fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    // Prototype: (int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result).
    let Some(book) = Book::open(Probe::SignalSent, 0) else { return 0 };
    let signal: i32 = ctx.arg(0);
    if is_noise(signal) {
        book.count(Tally::Filtered);
        return 0;
    }
    let target = Kernel::typed(ctx.arg(2));
    // The tracepoint runs in the sender's context.
    let cgroup = cgroup::of_task(target).unwrap_or(0);
    if !cgroup::watched(cgroup) {
        book.count(Tally::Filtered);
        return 0;
    }
    let info = ctx.arg(1);
    let code = code(info);
    let syscall = refused_call(signal, code, info);
    let result: i32 = ctx.arg(4);
    let ns_tgid = task::ns_tgid(target).unwrap_or(0);
    let lane = if ns_tgid == 1 || signal == SIGKILL { Lane::Precious } else { Lane::Ordinary };
    emit::<SignalSent>(lane, book, cgroup, |record| {
        // SAFETY: reserved memory of a `SignalSent`.
        unsafe {
            addr_of_mut!((*record).sender_cgroup).write(cgroup::current());
            addr_of_mut!((*record).target_tgid).write(task::tgid(target));
            addr_of_mut!((*record).target_tid).write(task::tid(target));
            addr_of_mut!((*record).target_ns_tgid).write(ns_tgid);
            addr_of_mut!((*record).signal).write(signal);
            addr_of_mut!((*record).code).write(code);
            addr_of_mut!((*record).result).write(result);
            addr_of_mut!((*record).syscall).write(syscall);
            addr_of_mut!((*record).reserved).write(0);
            addr_of_mut!((*record).target_comm).write(task::comm(target));
        }
        Some(())
    });
    0
}

#[btf_tracepoint(function = "signal_deliver")]
pub(crate) fn signal_deliver(ctx: BtfTracePointContext) -> i32 {
    // Prototype: (int sig, struct kernel_siginfo *info, struct k_sigaction *ka).
    let Some(book) = Book::open(Probe::SignalDelivered, 0) else { return 0 };
    let signal: i32 = ctx.arg(0);
    let ids = bpf_get_current_pid_tgid();
    // exit_group and exec kill every other thread of a process with SIGKILL: no sender, no news.
    let sibling_end = signal == SIGKILL && (ids >> 32) as u32 != ids as u32;
    if is_noise(signal) || sibling_end {
        book.count(Tally::Filtered);
        return 0;
    }
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        book.count(Tally::Filtered);
        return 0;
    }
    let code = code(ctx.arg(1));
    // `sa.sa_handler` is the first member of `struct k_sigaction`; SIG_DFL is 0, SIG_IGN is 1.
    let handler: Option<u64> = value(ctx.arg(2));
    emit::<SignalDelivered>(Lane::Ordinary, book, cgroup, |record| {
        let disposition = match handler? {
            0 => 0,
            1 => 1,
            _ => 2,
        };
        // SAFETY: reserved memory of a `SignalDelivered`.
        unsafe {
            addr_of_mut!((*record).signal).write(signal);
            addr_of_mut!((*record).code).write(code);
            addr_of_mut!((*record).disposition).write(disposition);
            addr_of_mut!((*record).reserved).write(0);
        }
        Some(())
    });
    0
}

/// `si_code`. Two small numbers stand for well-known senders (include/linux/signal_types.h): 0 `SEND_SIG_NOINFO`,
/// a process; 1 `SEND_SIG_PRIV`, the kernel. Because of them the argument has no type from 6.14 on.
#[inline(always)]
fn code(info: u64) -> i32 {
    const SI_USER: i32 = 0;
    const SI_KERNEL: i32 = 0x80;
    match info {
        0 => SI_USER,
        1 => SI_KERNEL,
        _ => Kernel::untyped(info).get(Offset::SiginfoCode).unwrap_or(SI_USER),
    }
}

/// The number of the system call that a seccomp filter answered with this signal; -1 for every other signal.
#[inline(always)]
fn refused_call(signal: i32, code: i32, info: u64) -> i32 {
    const SYS_SECCOMP: i32 = 1;
    if signal != SIGSYS || code != SYS_SECCOMP {
        return -1;
    }
    // A code that is no stand-in's was read through the pointer.
    Kernel::untyped(info).get(Offset::SiginfoSyscall).unwrap_or(-1)
}

//! Failing execs, telling opens, TLS refusals and refused calls, read when the system call returns.
//!
//! At entry the page of a path may not be mapped yet and reads empty; at the return the kernel has touched it, and the
//! arguments are still in the saved registers. There are several ways to be there; user space chooses one:
//! `fexit_*` at the end of one call's own function, which costs no other call anything; `sys_exit_*` at the call's own
//! tracepoint; `sys_exit` behind every call of the host.

mod exec;
mod open;
mod refused;
mod self_test;
mod tls;

use aya_ebpf::{
    macros::{btf_tracepoint, fexit, tracepoint},
    programs::{BtfTracePointContext, FExitContext, TracePointContext},
};
use monitor_common::tls::may_be_refusal;

use crate::{
    arch::{self, Syscall},
    task,
};
use exec::failed as exec_failed;
use open::{Flags, opened};
use refused::refused;
pub(super) use refused::thread_ended;
use tls::wrote;

/// The two entry points of one call. To find its registers has a price: it is paid when they are needed.
macro_rules! entry_points {
    ($($fexit:ident, $classic:ident: |$ctx:ident, $call:ident| $body:expr;)*) => {$(
        #[fexit]
        pub(crate) fn $fexit($ctx: FExitContext) -> i32 {
            // SAFETY: the prototype is long (const struct pt_regs *regs); the result follows the argument.
            let $call = || unsafe { Syscall::returning($ctx.arg(0), $ctx.arg(1)) };
            $body;
            0
        }

        #[tracepoint]
        pub(crate) fn $classic($ctx: TracePointContext) -> u32 {
            let $call = Syscall::current;
            $body;
            0
        }
    )*};
}

entry_points! {
    fexit_openat, sys_exit_openat: |_ctx, call| opened(call, 0, 1, Flags::Argument);
    fexit_openat2, sys_exit_openat2: |_ctx, call| opened(call, 1, 1, Flags::Structure);
    fexit_open, sys_exit_open: |_ctx, call| opened(call, 2, 0, Flags::Argument);
    fexit_execve, sys_exit_execve: |ctx, call| exec_failed(&ctx, &call(), 0, 0);
    fexit_execveat, sys_exit_execveat: |ctx, call| exec_failed(&ctx, &call(), 1, 1);
    fexit_write, sys_exit_write: |_ctx, call| wrote(&call());
}

/// One program for all opens and execs, and for every other call of the host: it looks at the number and returns.
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's prototype is (struct pt_regs *regs, long ret).
    let call = unsafe { Syscall::returning(ctx.arg(0), ctx.arg(1)) };
    let number = call.number();
    let is_open = number == arch::OPENAT || number == arch::OPENAT2 || Some(number) == arch::OPEN;
    let is_exec = number == arch::EXECVE || number == arch::EXECVEAT;
    if !is_open && !is_exec || task::in_compat_syscall(task::current()) {
        return 0;
    }
    match number {
        arch::OPENAT => opened(|| call, 0, 1, Flags::Argument),
        arch::OPENAT2 => opened(|| call, 0, 1, Flags::Structure),
        arch::EXECVE => exec_failed(&ctx, &call, 0, 0),
        arch::EXECVEAT => exec_failed(&ctx, &call, 0, 1),
        _ => opened(|| call, 0, 0, Flags::Argument),
    }
    0
}

/// TLS refusals alone, behind every call of the host.
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit_any_write(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: as above.
    let call = unsafe { Syscall::returning(ctx.arg(0), ctx.arg(1)) };
    if call.number() == arch::WRITE && !task::in_compat_syscall(task::current()) {
        wrote(&call);
    }
    0
}

/// TLS refusals where the kernel tells of every send through a socket: nothing else is touched.
#[btf_tracepoint(function = "sock_send_length")]
pub(crate) fn sock_send_length(ctx: BtfTracePointContext) -> i32 {
    // Prototype: (struct sock *sk, int ret, int flags).
    let sent: i32 = ctx.arg(1);
    if !may_be_refusal(i64::from(sent)) {
        return 0;
    }
    // The call has not returned yet: its result is not in the registers.
    let call = Syscall::current().with_result(i64::from(sent));
    if call.number() == arch::WRITE && !task::in_compat_syscall(task::current()) {
        wrote(&call);
    }
    0
}

/// One program behind each watched call: attached to the tracepoints of all of them.
#[tracepoint]
pub(crate) fn sys_exit_refused(_: TracePointContext) -> u32 {
    refused(&Syscall::current());
    0
}

/// Refused calls alone, behind every call of the host: the result is looked at first.
#[btf_tracepoint(function = "sys_exit")]
pub(crate) fn sys_exit_any_refused(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's prototype is (struct pt_regs *regs, long ret).
    refused(&unsafe { Syscall::returning(ctx.arg(0), ctx.arg(1)) });
    0
}

//! An execve returned: only a failing one does.

use core::ptr::addr_of_mut;

use aya_ebpf::EbpfContext;
use aya_log_ebpf::debug;
use monitor_common::{
    probe::{Probe, Tally},
    record::ExecFailed,
};

use super::self_test;
use crate::{
    arch::Syscall,
    cgroup,
    counters::Book,
    read::{user_string, user_value},
    ring::{Lane, emit},
};

/// `path_at`: which argument is the path; the next one is `argv`.
#[inline(always)]
pub(super) fn failed<C: EbpfContext>(ctx: &C, call: &Syscall, program: u32, path_at: u32) {
    if call.result >= 0 {
        return;
    }
    if path_at == 0 && self_test::is_one(call) {
        return self_test::answer();
    }
    let Some(book) = Book::open(Probe::ExecFailed, program) else { return };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    let argv = call.argument(path_at + 1);
    emit::<ExecFailed>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of an `ExecFailed`.
        unsafe {
            addr_of_mut!((*record).errno).write((-call.result) as i32);
            addr_of_mut!((*record).reserved).write(0);
            let path = addr_of_mut!((*record).path);
            // After the point of no return the old memory is gone and with it the path; the failure still counts.
            if user_string(call.argument(path_at), path).is_none() {
                path.cast::<u8>().write(0);
                debug!(ctx, "execve failed with {} and an unreadable path", -call.result);
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

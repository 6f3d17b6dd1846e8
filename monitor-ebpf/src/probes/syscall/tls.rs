//! A write of a size that a TLS refusal has: are its bytes one?

use core::ptr::addr_of_mut;

use monitor_common::{
    probe::{Probe, Tally},
    record::TlsAlert,
    tls,
};

use crate::{
    arch::Syscall,
    cgroup,
    counters::Book,
    read::user_value,
    ring::{Lane, emit},
};

#[inline(always)]
pub(super) fn wrote(call: &Syscall) {
    if !tls::may_be_refusal(call.result) {
        return;
    }
    let Some(book) = Book::open(Probe::TlsAlert, 0) else { return };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    let prefix: Option<[u8; tls::PREFIX]> = user_value(call.argument(1));
    match prefix {
        Some(prefix) if tls::is_refusal(&prefix, call.result) => {}
        _ => return book.count(Tally::Filtered),
    }
    emit::<TlsAlert>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of a `TlsAlert`.
        unsafe {
            addr_of_mut!((*record).fd).write(call.argument(0) as u32);
            addr_of_mut!((*record).length).write(call.result as u32);
        }
        Some(())
    });
}

//! The only writer of the rings: reserves, heads, submits, counts.

use core::ptr::addr_of_mut;

use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_ktime_get_boot_ns},
    macros::map,
    maps::RingBuf,
};
use monitor_common::{
    limits::{ORDINARY_RING_BYTES, PRECIOUS_RING_BYTES},
    probe::{Probe, Tally},
    record::Header,
};

use crate::{counters::count, task};

/// Rare events that a storm of others must not push out.
#[map]
static PRECIOUS: RingBuf = RingBuf::with_byte_size(PRECIOUS_RING_BYTES, 0);

#[map]
static ORDINARY: RingBuf = RingBuf::with_byte_size(ORDINARY_RING_BYTES, 0);

/// Which ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Precious,
    Ordinary,
}

/// User space polls the ordinary ring often enough; waking it for each entry would cost more than the entry.
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;
/// `BPF_RB_AVAIL_DATA`.
const AVAILABLE: u64 = 0;

/// A record whose first field is a [`Header`].
///
/// # Safety
/// `repr(C)`, `Header` first.
pub(crate) unsafe trait Record: 'static {}

macro_rules! records {
    ($($record:ident),*) => {$(
        // SAFETY: declared `repr(C)` with the header first in monitor-common.
        unsafe impl Record for monitor_common::record::$record {}
    )*};
}
records!(ExecFailed, Exec, Open, OomKill, SignalSent, SignalDelivered, Exit, Cgroup, TlsAlert);

/// Emits one record about `cgroup`. `fill` writes all fields but the header; if it cannot read what it needs the
/// record is dropped and counted.
#[inline(always)]
pub(crate) fn emit<T: Record>(
    lane: Lane,
    probe: Probe,
    cgroup: u64,
    fill: impl FnOnce(*mut T) -> Option<()>,
) {
    let ring = match lane {
        Lane::Precious => &PRECIOUS,
        Lane::Ordinary => &ORDINARY,
    };
    let Some(mut entry) = ring.reserve::<T>(0) else {
        count(probe, Tally::LostRingFull);
        return;
    };
    let record = entry.as_mut_ptr();
    let ids = bpf_get_current_pid_tgid();
    // SAFETY: `record` points to reserved memory of a `Record`.
    unsafe {
        addr_of_mut!(*record.cast::<Header>()).write(Header {
            kind: probe as u32,
            tgid: (ids >> 32) as u32,
            tid: ids as u32,
            ns_tgid: task::ns_tgid(task::current()).unwrap_or(0),
            cgroup,
            boot_ns: bpf_ktime_get_boot_ns(),
            comm: bpf_get_current_comm().unwrap_or_default(),
        });
    }
    if fill(record).is_none() {
        entry.discard(NO_WAKEUP);
        count(probe, Tally::LostUnreadable);
        return;
    }
    let flags = match lane {
        Lane::Precious => 0,
        Lane::Ordinary if ring.query(AVAILABLE) > u64::from(ORDINARY_RING_BYTES / 4) => FORCE_WAKEUP,
        Lane::Ordinary => NO_WAKEUP,
    };
    entry.submit(flags);
    count(probe, Tally::Submitted);
}

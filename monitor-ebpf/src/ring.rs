//! The only writer of the rings: admits, reserves, heads, submits, counts.

use core::{ptr::addr_of_mut, slice};

use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, generated::bpf_ktime_get_boot_ns},
    macros::map,
    maps::RingBuf,
};
use monitor_common::{
    budget::{self, Admission},
    limits::{ORDINARY_RING_BYTES, PRECIOUS_RING_BYTES},
    probe::{Probe, Tally},
    record::{Flood, Header},
};

use crate::{
    budget::{Payer, admit},
    counters::Book,
    task,
};

/// Rare events that a storm of others must not push out.
#[map]
static PRECIOUS: RingBuf = RingBuf::with_byte_size(PRECIOUS_RING_BYTES, 0);

#[map]
static ORDINARY: RingBuf = RingBuf::with_byte_size(ORDINARY_RING_BYTES, 0);

/// Which ring.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Lane {
    Precious = 0,
    Ordinary = 1,
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
records!(
    ExecFailed,
    Exec,
    Open,
    OomKill,
    SignalSent,
    SignalDelivered,
    Exit,
    CgroupMade,
    Cgroup,
    TlsAlert,
    Flood,
    SyscallRefused,
    Listening,
    DlopenFailed,
    SelfTest
);

impl Lane {
    #[inline(always)]
    fn ring(self) -> &'static RingBuf {
        match self {
            Self::Precious => &PRECIOUS,
            Self::Ordinary => &ORDINARY,
        }
    }

    const fn bytes(self) -> u64 {
        match self {
            Self::Precious => PRECIOUS_RING_BYTES as u64,
            Self::Ordinary => ORDINARY_RING_BYTES as u64,
        }
    }

    /// How to submit an entry while `waiting` bytes lie in the ring. Precious entries wake by themselves.
    #[inline(always)]
    fn flags(self, waiting: u64) -> u64 {
        match self {
            Self::Precious => 0,
            Self::Ordinary if waiting > self.bytes() / 4 => FORCE_WAKEUP,
            Self::Ordinary => NO_WAKEUP,
        }
    }
}

/// Emits one record about `cgroup`. `fill` writes all fields but the header; if it cannot read what it needs the
/// record is dropped and counted.
#[inline(always)]
pub(crate) fn emit<T: Record>(lane: Lane, book: Book, cgroup: u64, fill: impl FnOnce(*mut T) -> Option<()>) {
    emit_charged(lane, book, Payer::Cgroup(cgroup), cgroup, fill);
}

/// The same at the cost of another's budget.
#[inline(always)]
pub(crate) fn emit_charged<T: Record>(
    lane: Lane,
    book: Book,
    payer: Payer,
    cgroup: u64,
    fill: impl FnOnce(*mut T) -> Option<()>,
) {
    let waiting = lane.ring().query(AVAILABLE);
    let boot_ns = now();
    if is_kept_back(lane, book, payer, boot_ns, waiting) {
        return;
    }
    let Some(mut entry) = lane.ring().reserve::<T>(0) else {
        return book.count(Tally::LostRingFull);
    };
    let record = entry.as_mut_ptr();
    // SAFETY: `record` points to reserved memory of a `Record`.
    unsafe { addr_of_mut!(*record.cast::<Header>()).write(header(book.probe, cgroup, boot_ns)) };
    if fill(record).is_none() {
        entry.discard(NO_WAKEUP);
        return book.count(Tally::LostUnreadable);
    }
    entry.submit(lane.flags(waiting));
    book.count(Tally::Submitted);
}

/// Emits the first `bytes` of a record that was composed elsewhere, all but its header.
///
/// # Safety
/// `record` must be valid for reading `bytes` and for writing a header; `bytes` is at least a header's size.
#[inline(always)]
pub(crate) unsafe fn emit_composed<T: Record>(
    lane: Lane,
    book: Book,
    cgroup: u64,
    record: *mut T,
    bytes: usize,
) {
    let waiting = lane.ring().query(AVAILABLE);
    let boot_ns = now();
    if is_kept_back(lane, book, Payer::Cgroup(cgroup), boot_ns, waiting) {
        return;
    }
    // SAFETY: the caller vouches for both.
    let composed = unsafe {
        record.cast::<Header>().write(header(book.probe, cgroup, boot_ns));
        slice::from_raw_parts(record.cast::<u8>(), bytes)
    };
    match lane.ring().output::<[u8]>(composed, lane.flags(waiting)) {
        Ok(()) => book.count(Tally::Submitted),
        Err(_) => book.count(Tally::LostRingFull),
    }
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}

#[inline(always)]
fn header(probe: Probe, cgroup: u64, boot_ns: u64) -> Header {
    let ids = bpf_get_current_pid_tgid();
    Header {
        kind: probe as u32,
        tgid: (ids >> 32) as u32,
        tid: ids as u32,
        ns_tgid: task::ns_tgid(task::current()).unwrap_or(0),
        cgroup,
        boot_ns,
        comm: bpf_get_current_comm().unwrap_or_default(),
    }
}

/// The event is part of a flood: counted, and told once in a while.
#[inline(always)]
fn is_kept_back(lane: Lane, book: Book, payer: Payer, boot_ns: u64, waiting: u64) -> bool {
    if budget::is_exempt(book.probe) {
        return false;
    }
    match admit(payer, book.probe, lane, boot_ns, waiting > lane.bytes() / 2) {
        Admission::Granted => return false,
        Admission::KeptBack => {}
        Admission::FloodBegins => tell_flood(payer.cgroup(), book.probe as u32),
    }
    book.count(Tally::LostFlood);
    true
}

/// A function of its own in the kernel too: all programs share it.
#[inline(never)]
fn tell_flood(cgroup: u64, probe: u32) {
    let Some(book) = Book::open_preemptible(Probe::Flood, 0) else { return };
    emit::<Flood>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of a `Flood`.
        unsafe {
            addr_of_mut!((*record).probe).write(probe);
            addr_of_mut!((*record).reserved).write(0);
        }
        Some(())
    });
}

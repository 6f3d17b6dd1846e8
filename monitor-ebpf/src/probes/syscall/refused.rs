//! A watched call was refused, or a seccomp filter ended the thread that made one. Who refused it is not said here.

use core::ptr::addr_of_mut;

use monitor_common::{
    limits::PATH_BYTES,
    probe::{Probe, Tally},
    record::SyscallRefused,
    refused::{Entry, NUMBERS, by_number, may_be_wanted, wanted},
};

use crate::{
    arch::Syscall,
    cgroup,
    counters::Book,
    globals::registers_are_to_be_had,
    read::{user_bytes, user_string},
    ring::{Lane, emit},
    task,
};

/// What is known about the call of each number.
static CALLS: [Entry; NUMBERS] = by_number(cfg!(bpf_target_arch = "aarch64"));

/// `struct sockaddr_in6`, the longest address that is read.
const ADDRESS_BYTES: u64 = 28;
/// A power of two with room for it.
const ADDRESS_ROOM: usize = 32;

/// Of a host's calls next to none have a result that any watched one is wanted for: that comes first.
#[inline(always)]
pub(super) fn refused(call: &Syscall) {
    if !may_be_wanted(call.result) {
        return;
    }
    let Some(entry) = entry(call.number()) else { return };
    let is_wanted = entry.is_watched() && wanted(call.result, entry.writes(), entry.is_bind());
    if !is_wanted || task::in_compat_syscall(task::current()) {
        return;
    }
    let Some(book) = Book::open(Probe::SyscallRefused, 0) else { return };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    emit::<SyscallRefused>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of a `SyscallRefused`.
        unsafe {
            write_call(record, Some(call), -call.result);
            about(call, entry, addr_of_mut!((*record).about));
        }
        Some(())
    });
}

/// The current thread is ended by a seccomp filter, and its process goes on without it.
#[inline(always)]
pub(in crate::probes) fn thread_ended(cgroup: u64) {
    let Some(book) = Book::open(Probe::SyscallRefused, 1) else { return };
    emit::<SyscallRefused>(Lane::Precious, book, cgroup, |record| {
        let call = registers_are_to_be_had().then(Syscall::current);
        // SAFETY: reserved memory of a `SyscallRefused`.
        unsafe {
            write_call(record, call.as_ref(), 0);
            // Its memory may be gone.
            addr_of_mut!((*record).about).cast::<u8>().write(0);
        }
        Some(())
    });
}

#[inline(always)]
fn entry(number: u64) -> Option<Entry> {
    if number >= NUMBERS as u64 {
        return None;
    }
    // SAFETY: below the array's length. An index would leave a panic for the verifier to rule out.
    Some(unsafe { *CALLS.as_ptr().add(number as usize) })
}

/// All but what it was about.
///
/// # Safety
/// `record` must be valid for writing.
#[inline(always)]
unsafe fn write_call(record: *mut SyscallRefused, call: Option<&Syscall>, errno: i64) {
    let number = call.map_or(-1, |call| call.number() as i32);
    let arguments = call.map_or([0; 3], |call| [call.argument(0), call.argument(1), call.argument(2)]);
    // SAFETY: the caller vouches for `record`.
    unsafe {
        addr_of_mut!((*record).arguments).write(arguments);
        addr_of_mut!((*record).syscall).write(number);
        addr_of_mut!((*record).errno).write(errno as i32);
    }
}

/// The path or the address that the call was about. One that cannot be read is empty: the refusal still counts.
///
/// # Safety
/// `into` must be valid for writing.
#[inline(always)]
unsafe fn about(call: &Syscall, entry: Entry, into: *mut [u8; PATH_BYTES]) {
    let address = into.cast::<[u8; ADDRESS_ROOM]>();
    // SAFETY: the caller vouches for `into`, which is longer than an address.
    unsafe {
        // A short address must not end in what the ring held before.
        address.write([0; ADDRESS_ROOM]);
        if entry.is_bind() {
            let length = call.argument(2) as u32 as u64;
            let length = if length > ADDRESS_BYTES { ADDRESS_BYTES } else { length };
            if user_bytes(call.argument(1), length, address).is_none() {
                address.write([0; ADDRESS_ROOM]);
            }
        } else if let Some(position) = entry.path_at() {
            let path = if position == 0 { call.argument(0) } else { call.argument(1) };
            if user_string(path, into).is_none() {
                into.cast::<u8>().write(0);
            }
        }
    }
}

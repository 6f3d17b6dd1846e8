//! An open returned: does its path or its errno tell anything?

use core::{
    mem::offset_of,
    ptr::{addr_of, addr_of_mut},
};

use aya_ebpf::{macros::map, maps::PerCpuArray};
use monitor_common::{
    limits::PATH_BYTES,
    path::{self, PathBuffer},
    probe::{PROGRAMS, Probe, Tally},
    record::Open,
};

use crate::{
    arch::Syscall,
    cgroup,
    counters::Book,
    read::{user_string, user_value},
    ring::{Lane, emit_composed},
};

/// Room to compose a record before it is known whether it goes out, and how long it is; one for each program.
#[map]
static SCRATCH: PerCpuArray<Open> = PerCpuArray::with_max_entries(PROGRAMS, 0);

/// Where the `O_*` flags are.
#[derive(Clone, Copy)]
pub(super) enum Flags {
    /// In the argument behind the path.
    Argument,
    /// First in the structure that this argument points to.
    Structure,
}

/// `path_at`: which argument is the path.
#[inline(always)]
pub(super) fn opened(call: impl FnOnce() -> Syscall, program: u32, path_at: u32, flags: Flags) {
    let Some(book) = Book::open(Probe::Open, program) else { return };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    let call = call();
    let Some(record) = SCRATCH.get_ptr_mut(program) else { return book.count(Tally::LostUnreadable) };
    // SAFETY: a pointer into this CPU's slot of this program, which does not nest inside itself.
    let Some(read) = (unsafe { user_string(call.argument(path_at), addr_of_mut!((*record).path)) }) else {
        // A bad pointer is the program's own EFAULT; anything else is ours to count.
        return book.count(if call.result == -14 { Tally::Filtered } else { Tally::LostUnreadable });
    };
    // SAFETY: as above; map memory is always initialised. The path begins at a multiple of eight bytes.
    let class =
        path::classify(unsafe { &*addr_of!((*record).path).cast::<PathBuffer>() }, read.saturating_sub(1));
    if !path::wanted(class, call.result) {
        return book.count(Tally::Filtered);
    }
    let second = call.argument(path_at + 1);
    let flags = match flags {
        Flags::Argument => second,
        Flags::Structure => user_value::<u64>(second).unwrap_or(0),
    };
    let bytes = offset_of!(Open, path) + if read > PATH_BYTES { PATH_BYTES } else { read };
    // SAFETY: as above; the record is as long as its path.
    unsafe {
        addr_of_mut!((*record).head.result).write(call.result as i32);
        addr_of_mut!((*record).head.flags).write(flags as u32);
        addr_of_mut!((*record).head.class).write(class as u32);
        addr_of_mut!((*record).head.reserved).write(0);
        emit_composed(Lane::Ordinary, book, cgroup, record, bytes);
    }
}

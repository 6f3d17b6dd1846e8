//! A dlopen(3) or dlmopen(3) returned NULL: which library was asked for.
//!
//! Breakpoints in the C library of a container: at the functions' first instructions, where the arguments are, and at
//! those that return, where the result is. A uretprobe would replace the return address, and glibc looks at that to tell
//! on whose behalf it searches: programs would fail that do not fail without gomon.

use core::ptr::addr_of_mut;

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{map, uprobe},
    maps::LruHashMap,
    programs::ProbeContext,
};
use monitor_common::{
    limits::MAX_CALLS,
    probe::{Probe, Tally},
    record::DlopenFailed,
};

use crate::{
    arch::Frame,
    cgroup,
    counters::Book,
    read::user_string,
    ring::{Lane, emit},
};

/// What was asked for.
#[derive(Clone, Copy)]
#[repr(C)]
struct Call {
    /// Where the name lies. It is read at the return: before, its page may not be mapped yet.
    name: u64,
    flags: u32,
    /// 1: its failure is told.
    is_told: u32,
}

/// Calls under way, by thread and stack pointer: one that a constructor makes inside another has its own. A call that
/// never returns, because its thread ends in it, leaves its entry behind; a plain map would fill up with those.
#[map]
static CALLS: LruHashMap<Key, Call> = LruHashMap::with_max_entries(MAX_CALLS, 0);

/// `bpf_get_current_pid_tgid()` and the stack pointer.
type Key = [u64; 2];

#[uprobe]
pub(crate) fn dlopen_called(ctx: ProbeContext) -> u32 {
    // void *dlopen(const char *filename, int flags)
    called(&Frame::of(&ctx), 0, 1);
    0
}

#[uprobe]
pub(crate) fn dlmopen_called(ctx: ProbeContext) -> u32 {
    // void *dlmopen(Lmid_t lmid, const char *filename, int flags)
    called(&Frame::of(&ctx), 1, 2);
    0
}

/// At every instruction by which one of the two functions returns.
#[uprobe]
pub(crate) fn dlopen_returns(ctx: ProbeContext) -> u32 {
    returns(&Frame::of(&ctx));
    0
}

#[inline(always)]
fn key(frame: &Frame) -> Key {
    [bpf_get_current_pid_tgid(), frame.stack()]
}

#[inline(always)]
fn called(frame: &Frame, name_at: u32, flags_at: u32) {
    // Processes of the host run in the same file where a container was given the host's.
    if !cgroup::watched(cgroup::current()) {
        return;
    }
    let call = Call { name: frame.argument(name_at), flags: frame.argument(flags_at) as u32, is_told: 0 };
    // Where the kernel has no memory for it the return finds nothing, and is counted as lost if it matters.
    let _ = CALLS.insert(key(frame), call, 0);
}

#[inline(always)]
fn returns(frame: &Frame) {
    let Some(book) = Book::open_preemptible(Probe::DlopenFailed, 0) else { return };
    let cgroup = cgroup::current();
    if !cgroup::watched(cgroup) {
        return book.count(Tally::Filtered);
    }
    let key = key(frame);
    if frame.result() != 0 {
        // Absent where it began before gomon looked.
        let _ = CALLS.remove(key);
        return book.count(Tally::Filtered);
    }
    let Some(call) = CALLS.get_ptr_mut(key) else { return book.count(Tally::LostUnreadable) };
    // SAFETY: memory of the map; only this thread reads and writes the entry of its own call.
    let Call { name, flags, is_told } = unsafe { *call };
    // A file that is reached in two ways may have two breakpoints at one place. Without a name the program itself is
    // meant, which is always there.
    if is_told != 0 || name == 0 {
        return book.count(Tally::Filtered);
    }
    // SAFETY: as above.
    unsafe { addr_of_mut!((*call).is_told).write(1) };
    emit::<DlopenFailed>(Lane::Precious, book, cgroup, |record| {
        // SAFETY: reserved memory of a `DlopenFailed`.
        unsafe {
            addr_of_mut!((*record).flags).write(flags);
            addr_of_mut!((*record).reserved).write(0);
            user_string(name, addr_of_mut!((*record).name))?;
        }
        Some(())
    });
}

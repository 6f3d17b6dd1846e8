//! `cgroup_mkdir` and `cgroup_rmdir`: a container is born or gone.

use core::ptr::addr_of_mut;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    probe::{Probe, Tally},
    record,
};

use crate::{
    budget::Payer,
    cgroup,
    counters::Book,
    globals::hierarchy,
    read::{Kernel, kernel_string},
    ring::{Lane, emit_charged},
    task,
};

// Prototype of both: (struct cgroup *cgrp, const char *path).

#[btf_tracepoint(function = "cgroup_mkdir")]
pub(crate) fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    made(Kernel::typed(ctx.arg(0)), ctx.arg(1));
    0
}

#[btf_tracepoint(function = "cgroup_rmdir")]
pub(crate) fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    removed(Kernel::typed(ctx.arg(0)), ctx.arg(1));
    0
}

#[inline(always)]
fn made(cgroup: Kernel, path: u64) {
    let Some((book, id)) = opened(Probe::CgroupMade, cgroup) else { return };
    // Who makes cgroups without end pays for it, not who is made.
    emit_charged::<record::CgroupMade>(Lane::Precious, book, Payer::current(), id, |record| {
        // SAFETY: reserved memory of a `CgroupMade`.
        unsafe {
            addr_of_mut!((*record).hierarchy).write(hierarchy());
            kernel_string(path, addr_of_mut!((*record).path))?;
            // Who made it may be gone when user space looks.
            let length = task::command(addr_of_mut!((*record).command)).unwrap_or(0);
            addr_of_mut!((*record).command_length).write(length);
        }
        Some(())
    });
}

#[inline(always)]
fn removed(cgroup: Kernel, path: u64) {
    let Some((book, id)) = opened(Probe::CgroupRemoved, cgroup) else { return };
    emit_charged::<record::Cgroup>(Lane::Precious, book, Payer::current(), id, |record| {
        // SAFETY: reserved memory of a `Cgroup`.
        unsafe {
            addr_of_mut!((*record).hierarchy).write(hierarchy());
            addr_of_mut!((*record).reserved).write(0);
            kernel_string(path, addr_of_mut!((*record).path))?;
        }
        Some(())
    });
    cgroup::forget(id);
}

/// The cgroup's id, where it belongs to the hierarchy that containers are keyed by.
#[inline(always)]
fn opened(probe: Probe, cgroup: Kernel) -> Option<(Book, u64)> {
    let book = Book::open(probe, 0)?;
    let (Some(id), Some(found)) = (cgroup::id(cgroup), cgroup::hierarchy_of(cgroup)) else {
        book.count(Tally::LostUnreadable);
        return None;
    };
    if found != hierarchy() {
        book.count(Tally::Filtered);
        return None;
    }
    Some((book, id))
}

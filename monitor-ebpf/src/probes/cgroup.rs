//! `cgroup_mkdir` and `cgroup_rmdir`: a container is born or gone.

use core::ptr::addr_of_mut;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use monitor_common::{
    probe::{Probe, Tally},
    record,
};

use crate::{
    cgroup,
    counters::Book,
    globals::hierarchy,
    read::{Kernel, kernel_string},
    ring::{Lane, emit},
};

// Prototype of both: (struct cgroup *cgrp, const char *path).

#[btf_tracepoint(function = "cgroup_mkdir")]
pub(crate) fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    changed(Probe::CgroupMade, Kernel::typed(ctx.arg(0)), ctx.arg(1));
    0
}

#[btf_tracepoint(function = "cgroup_rmdir")]
pub(crate) fn cgroup_rmdir(ctx: BtfTracePointContext) -> i32 {
    if let Some(id) = changed(Probe::CgroupRemoved, Kernel::typed(ctx.arg(0)), ctx.arg(1)) {
        cgroup::forget(id);
    }
    0
}

/// Emits the change; the cgroup's id where it belongs to the hierarchy that containers are keyed by.
#[inline(always)]
fn changed(probe: Probe, cgroup: Kernel, path: u64) -> Option<u64> {
    let book = Book::open(probe, 0)?;
    let (Some(id), Some(found)) = (cgroup::id(cgroup), cgroup::hierarchy_of(cgroup)) else {
        book.count(Tally::LostUnreadable);
        return None;
    };
    if found != hierarchy() {
        book.count(Tally::Filtered);
        return None;
    }
    emit::<record::Cgroup>(Lane::Precious, book, id, |record| {
        // SAFETY: reserved memory of a `Cgroup`.
        unsafe {
            addr_of_mut!((*record).hierarchy).write(found);
            addr_of_mut!((*record).reserved).write(0);
            kernel_string(path, addr_of_mut!((*record).path))?;
        }
        Some(())
    });
    Some(id)
}

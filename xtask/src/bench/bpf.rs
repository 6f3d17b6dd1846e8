//! The system call bpf(2): loads, attaches, turns on the kernel's books, and counts the tracing programs of others.

use std::ffi::c_long;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use anyhow::{Context, Result};

/// `bpf(2)`, for the commands that return a descriptor.
pub(super) fn bpf<T>(command: c_long, attributes: &mut T) -> Result<OwnedFd> {
    owned(call(command, attributes)?)
}

fn call<T>(command: c_long, attributes: &mut T) -> Result<c_long> {
    // SAFETY: the attributes are a C structure of this command, as long as is said; what they point to outlives the call.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attributes), size_of::<T>()) })
}

/// The last error where the result says that there is one.
pub(super) fn check(result: c_long) -> Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error().into()) } else { Ok(result) }
}

/// The descriptor that a system call returned.
pub(super) fn owned(result: c_long) -> Result<OwnedFd> {
    let descriptor = i32::try_from(check(result)?)?;
    // SAFETY: the kernel has just returned it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The kernel keeps books on the time of all programs while this is open.
pub(super) fn keep_books() -> Result<OwnedFd> {
    /// A number of `include/uapi/linux/bpf.h`, from 5.8.
    const BPF_ENABLE_STATS: c_long = 32;
    // The only type: run time.
    let mut kind: u32 = 0;
    bpf(BPF_ENABLE_STATS, &mut kind).context("the kernel keeps no books on its programs")
}

/// How many programs that trace are loaded, whoever they belong to.
pub(super) fn tracing_programs() -> Result<usize> {
    /// Numbers of `include/uapi/linux/bpf.h`.
    const BPF_PROG_GET_NEXT_ID: c_long = 11;
    const BPF_PROG_GET_FD_BY_ID: c_long = 13;
    /// Kprobe, tracepoint, perf event, raw tracepoint, writable raw tracepoint, tracing.
    const TRACING: [&str; 6] = ["2", "5", "7", "17", "24", "26"];
    /// `start_id`, which is `prog_id` of the other command; `next_id`; `open_flags`.
    type Ids = [u32; 3];
    let mut found = 0;
    let mut ids: Ids = [0; 3];
    // The kernel ends the list with ENOENT.
    while call(BPF_PROG_GET_NEXT_ID, &mut ids).is_ok() {
        let [_, next, _] = ids;
        ids = [next, 0, 0];
        // It may be gone by now.
        let Ok(program) = bpf(BPF_PROG_GET_FD_BY_ID, &mut [next, 0, 0]) else { continue };
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd()))?;
        let kind = text.lines().find_map(|line| line.strip_prefix("prog_type:"));
        found += usize::from(kind.is_some_and(|kind| TRACING.contains(&kind.trim())));
    }
    Ok(found)
}

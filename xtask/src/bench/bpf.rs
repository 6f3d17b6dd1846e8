//! The system call bpf(2), for the few commands that the bench needs; no library between it and the kernel.

use std::ffi::c_long;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use anyhow::{Context, Result};

/// `bpf(2)`, for the commands that return a descriptor.
pub(super) fn bpf<T>(command: c_long, attributes: &mut T) -> Result<OwnedFd> {
    // SAFETY: the attributes are a C structure of this command, as long as is said; what they point to outlives the call.
    owned(unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attributes), size_of::<T>()) })
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

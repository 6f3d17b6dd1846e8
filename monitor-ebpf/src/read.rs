//! The only callers of the probe_read helpers: every read of kernel or user memory goes through here.

use aya_ebpf::helpers::{
    bpf_probe_read_kernel, bpf_probe_read_user,
    generated::{bpf_probe_read_kernel_str, bpf_probe_read_user_str},
};
use monitor_common::offsets::Offset;

use crate::globals::offset;

/// A pointer into kernel memory, as an address.
pub(crate) type Kernel = u64;

/// Reads a `T` at `base` plus the offset of a member.
#[inline(always)]
pub(crate) fn member<T>(base: Kernel, which: Offset) -> Option<T> {
    let at = base + offset(which)? as u64;
    value(at)
}

/// Reads a `T` of kernel memory.
#[inline(always)]
pub(crate) fn value<T>(at: Kernel) -> Option<T> {
    // SAFETY: the helper checks the address and fails instead of faulting.
    unsafe { bpf_probe_read_kernel(at as *const T) }.ok()
}

/// Reads a `T` of the current task's memory.
#[inline(always)]
pub(crate) fn user_value<T>(at: u64) -> Option<T> {
    // SAFETY: the helper checks the address and fails instead of faulting.
    unsafe { bpf_probe_read_user(at as *const T) }.ok()
}

/// Copies a NUL-terminated string of the current task's memory; its length with the NUL.
///
/// # Safety
/// `into` must be valid for `N` bytes of writing.
#[inline(always)]
pub(crate) unsafe fn user_string<const N: usize>(at: u64, into: *mut [u8; N]) -> Option<usize> {
    // SAFETY: the caller vouches for `into`; the helper checks `at`.
    let read = unsafe { bpf_probe_read_user_str(into.cast(), N as u32, at as *const _) };
    usize::try_from(read).ok()
}

/// Copies a NUL-terminated string of kernel memory; its length with the NUL.
///
/// # Safety
/// `into` must be valid for `N` bytes of writing.
#[inline(always)]
pub(crate) unsafe fn kernel_string<const N: usize>(at: Kernel, into: *mut [u8; N]) -> Option<usize> {
    // SAFETY: the caller vouches for `into`; the helper checks `at`.
    let read = unsafe { bpf_probe_read_kernel_str(into.cast(), N as u32, at as *const _) };
    usize::try_from(read).ok()
}

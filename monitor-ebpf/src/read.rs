//! The only callers of the probe_read helpers: every read of kernel or user memory goes through here.

use aya_ebpf::helpers::{
    bpf_probe_read_kernel, bpf_probe_read_user,
    generated::{self, bpf_probe_read_kernel_str, bpf_probe_read_user_str},
};
use monitor_common::offsets::Offset;

use crate::globals::offset;

/// A pointer into kernel memory.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    address: u64,
    /// The verifier knows what it points to: members are read with plain loads, which fail by giving zero. Otherwise a
    /// helper reads them, at twenty times the price.
    is_typed: bool,
}

/// A member that is read whole.
///
/// # Safety
/// Any bits are a valid value.
pub(crate) unsafe trait Scalar: Copy {}
// SAFETY: integers.
unsafe impl Scalar for u16 {}
// SAFETY: integers.
unsafe impl Scalar for u32 {}
// SAFETY: integers.
unsafe impl Scalar for i32 {}
// SAFETY: integers.
unsafe impl Scalar for u64 {}
// SAFETY: integers.
unsafe impl Scalar for i64 {}

impl Kernel {
    /// An argument of the traced function or tracepoint, or what a helper of a known type gave.
    #[inline(always)]
    pub(crate) fn typed(address: u64) -> Self {
        Self { address, is_typed: true }
    }

    #[inline(always)]
    pub(crate) fn untyped(address: u64) -> Self {
        Self { address, is_typed: false }
    }

    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.address
    }

    /// The address of a member.
    #[inline(always)]
    fn at(self, which: Offset) -> Option<u64> {
        Some(self.address.wrapping_add(offset(which)? as u64))
    }

    #[inline(always)]
    pub(crate) fn get<T: Scalar>(self, which: Offset) -> Option<T> {
        let at = self.at(which)?;
        if self.is_typed {
            // SAFETY: the verifier checks pointer and offset against the type; a bad address reads as zero.
            return Some(unsafe { (at as *const T).read_volatile() });
        }
        value(at)
    }

    /// A member that is a pointer.
    #[inline(always)]
    pub(crate) fn follow(self, which: Offset) -> Option<Self> {
        Some(Self { address: self.get(which)?, ..self })
    }

    /// A member that is an array of bytes.
    #[inline(always)]
    pub(crate) fn bytes<const N: usize>(self, which: Offset) -> Option<[u8; N]> {
        value(self.at(which)?)
    }
}

/// Reads a `T` of kernel memory at an address.
#[inline(always)]
pub(crate) fn value<T>(at: u64) -> Option<T> {
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
pub(crate) unsafe fn kernel_string<const N: usize>(at: u64, into: *mut [u8; N]) -> Option<usize> {
    // SAFETY: the caller vouches for `into`; the helper checks `at`.
    let read = unsafe { bpf_probe_read_kernel_str(into.cast(), N as u32, at as *const _) };
    usize::try_from(read).ok()
}

/// Copies `length` bytes of the current task's memory; of a length that is not below `N` only part of it. `N` is a power
/// of two.
///
/// # Safety
/// `into` must be valid for `N` bytes of writing.
#[inline(always)]
pub(crate) unsafe fn user_bytes<const N: usize>(at: u64, length: u64, into: *mut [u8; N]) -> Option<()> {
    let length = (length & (N as u64 - 1)) as u32;
    // SAFETY: the caller vouches for `into`; the helper checks `at`.
    let failed = unsafe { generated::bpf_probe_read_user(into.cast(), length, at as *const _) };
    (failed == 0).then_some(())
}

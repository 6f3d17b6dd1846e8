//! The kernel programs, embedded in the binary.

use aya::include_bytes_aligned;

/// The BPF object; empty in a build that skipped it (`AYA_BUILD_SKIP=1`).
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/gomon-ebpf"));

//! Wire records: what one ring entry holds, byte for byte. Native endianness, no implicit padding.
//!
//! A string field ends at its first NUL; bytes behind it are not initialised by the kernel side.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::limits::{ARG_BYTES, CGROUP_PATH_BYTES, COMM_BYTES, COMMAND_BYTES, PATH_BYTES};

/// What every record starts with.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// The number of a [`crate::probe::Probe`].
    pub kind: u32,
    /// Process id (tgid) of the current task in the initial pid namespace.
    pub tgid: u32,
    /// Thread id of the current task in the initial pid namespace.
    pub tid: u32,
    /// Process id in the task's innermost pid namespace; 0 if unknown.
    pub ns_tgid: u32,
    /// The cgroup that the event is about.
    pub cgroup: u64,
    /// `bpf_ktime_get_boot_ns()`.
    pub boot_ns: u64,
    pub comm: [u8; COMM_BYTES],
}

/// A failed execve(2) or execveat(2).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExecFailed {
    pub header: Header,
    /// Positive errno.
    pub errno: i32,
    pub reserved: u32,
    pub path: [u8; PATH_BYTES],
    pub argv0: [u8; ARG_BYTES],
}

/// A failing execve(2) of gomon's own came through. Its cgroup is 0.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SelfTest {
    pub header: Header,
}

/// `sched_process_exec`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Exec {
    pub header: Header,
    /// tgid of the real parent.
    pub parent_tgid: u32,
    pub reserved: u32,
    /// `linux_binprm.filename`.
    pub path: [u8; PATH_BYTES],
    /// `linux_binprm.interp`: differs from `path` for scripts.
    pub interpreter: [u8; PATH_BYTES],
}

/// The return of open(2), openat(2) or openat2(2), all but the path.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OpenHead {
    pub header: Header,
    /// File descriptor, or negative errno.
    pub result: i32,
    /// `O_*` flags; for openat2(2) the low half of `open_how.flags`.
    pub flags: u32,
    /// The number of a [`crate::path::PathClass`].
    pub class: u32,
    pub reserved: u32,
}

/// The whole of it. In the ring it ends with the path's NUL.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Open {
    pub head: OpenHead,
    pub path: [u8; PATH_BYTES],
}

/// `mark_victim`. The header's task is the one that allocated, its cgroup that of the victim.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OomKill {
    pub header: Header,
    pub victim_tgid: u32,
    pub victim_ns_tgid: u32,
    /// Resident pages by kind (`mm_struct.rss_stat`); negative if unknown.
    pub anon_pages: i64,
    pub file_pages: i64,
    pub shmem_pages: i64,
    /// What the victim's memory cgroup may have; negative if unknown. Without a limit it is beyond all memory.
    pub limit_pages: i64,
    pub victim_comm: [u8; COMM_BYTES],
}

/// `signal_generate`. The header's task is the sender, its cgroup that of the target.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SignalSent {
    pub header: Header,
    pub sender_cgroup: u64,
    pub target_tgid: u32,
    pub target_tid: u32,
    pub target_ns_tgid: u32,
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// `TRACE_SIGNAL_*`.
    pub result: i32,
    /// For a SIGSYS of seccomp the number of the system call; -1 if unknown or another signal.
    pub syscall: i32,
    pub reserved: u32,
    pub target_comm: [u8; COMM_BYTES],
}

/// `signal_deliver`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SignalDelivered {
    pub header: Header,
    pub signal: i32,
    pub code: i32,
    /// 0 `SIG_DFL`, 1 `SIG_IGN`, 2 a handler.
    pub disposition: u32,
    pub reserved: u32,
}

/// `sched_process_exit` of the last thread of a process.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Exit {
    pub header: Header,
    /// As wait(2) returns it.
    pub status: i32,
    pub parent_tgid: u32,
}

/// `cgroup_mkdir`. The header's task is the one that made it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CgroupMade {
    pub header: Header,
    /// `cgroup_root.hierarchy_id`; 0 is the v2 hierarchy.
    pub hierarchy: u32,
    /// Bytes of `command`; 0 if unknown.
    pub command_length: u32,
    pub path: [u8; CGROUP_PATH_BYTES],
    /// The arguments of the task, each with its NUL; of many the last ones, which may begin in the middle of one.
    pub command: [u8; COMMAND_BYTES],
}

/// `cgroup_rmdir`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Cgroup {
    pub header: Header,
    /// `cgroup_root.hierarchy_id`; 0 is the v2 hierarchy.
    pub hierarchy: u32,
    pub reserved: u32,
    pub path: [u8; CGROUP_PATH_BYTES],
}

/// A write(2) whose bytes are a TLS client's refusal of the server's certificate.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TlsAlert {
    pub header: Header,
    pub fd: u32,
    /// The number of bytes written.
    pub length: u32,
}

/// A cgroup used up its budget of a probe's events; the rest of the window's are kept back. The header's task made the
/// first one.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Flood {
    pub header: Header,
    /// The number of the [`crate::probe::Probe`] whose events are kept back.
    pub probe: u32,
    pub reserved: u32,
}

/// A system call that a program was refused, see [`crate::refused`].
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SyscallRefused {
    pub header: Header,
    /// The first three arguments.
    pub arguments: [u64; 3],
    /// Of the running architecture; -1 if unknown.
    pub syscall: i32,
    /// Positive errno; 0 where the thread was killed instead.
    pub errno: i32,
    /// The path that the call was about, or for bind(2) the bytes of the address; begins with NUL where there is none.
    pub about: [u8; PATH_BYTES],
}

/// A TCP socket listens (`inet_sock_set_state`).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Listening {
    pub header: Header,
    /// `AF_INET` (2) or `AF_INET6` (10).
    pub family: u16,
    /// In host byte order.
    pub port: u16,
    pub reserved: u32,
    /// In network byte order; an IPv4 address fills the first four bytes.
    pub address: [u8; 16],
}

/// A dlopen(3) or dlmopen(3) that returned NULL.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DlopenFailed {
    pub header: Header,
    /// `RTLD_*` flags.
    pub flags: u32,
    pub reserved: u32,
    pub name: [u8; PATH_BYTES],
}

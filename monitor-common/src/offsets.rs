//! Places inside kernel structures that differ between kernels. User space fills them in from the running
//! kernel's BTF; [`UNKNOWN`] means that this kernel has no such member.

/// One member of a kernel structure. The number is the index into the `OFFSETS` global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Offset {
    TaskPid = 0,
    TaskTgid = 1,
    TaskComm = 2,
    TaskRealParent = 3,
    TaskSignal = 4,
    TaskCgroups = 5,
    TaskMm = 6,
    TaskExitCode = 7,
    /// `thread_info.status` on x86: tells 32-bit system calls.
    TaskStatus = 8,
    /// `signal_struct.pids[PIDTYPE_TGID]`.
    SignalTgid = 9,
    SignalLive = 10,
    PidLevel = 11,
    PidNumbers = 12,
    /// Size of `struct upid`.
    UpidSize = 13,
    CssSetDefaultCgroup = 14,
    /// `css_set.subsys[memory_cgrp_id]`.
    CssSetMemory = 15,
    CssCgroup = 16,
    CgroupKn = 17,
    CgroupRoot = 18,
    KernfsId = 19,
    RootHierarchyId = 20,
    BprmFilename = 21,
    BprmInterp = 22,
    SiginfoCode = 23,
    RssAnon = 24,
    RssFile = 25,
    RssShmem = 26,
    MmArgStart = 27,
    MmArgEnd = 28,
    /// `mem_cgroup.memory.max`; the structure begins with its `cgroup_subsys_state`.
    MemcgMax = 29,
    /// `kernel_siginfo._sifields._sigsys._syscall`.
    SiginfoSyscall = 30,
    /// `signal_struct.flags`.
    SignalFlags = 31,
    SockProtocol = 32,
    SockFamily = 33,
    /// The local port, in host byte order.
    SockPort = 34,
    /// The local IPv4 address, in network byte order.
    SockAddress = 35,
    /// A kernel without IPv6 has no such member, and no such socket.
    SockAddress6 = 36,
}

/// Entries of the `OFFSETS` global.
pub const OFFSETS: usize = 37;
/// The kernel has no such member; what rests on it is off.
pub const UNKNOWN: u32 = u32::MAX;

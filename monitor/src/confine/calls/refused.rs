//! Which system calls gomon never makes once it watches. What changes this host or other processes is here; what a
//! library may need one day is not.

/// When a call is refused, by its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When<'a> {
    /// This argument is a pointer to something.
    Pointer(u8),
    /// This argument is none of these.
    Not(u8, &'a [u64]),
    /// It is this.
    Is(u8, u64),
    /// Its bits of this mask have this value.
    Bits(u8, u64, u64),
}

/// Calls that are refused whatever their arguments.
pub(super) const ALWAYS: &[i64] = &[
    // Other programs and processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Another user, other privileges, another place.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_personality,
    // Files by a handle: no path, no directory keeps anybody from them.
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    // Mounts that others see. Those that a descriptor alone leads to are needed: fsopen, fsconfig, fsmount.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_fspick,
    OPEN_TREE_ATTR,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // The kernel and the machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_fanotify_init,
    libc::SYS_nfsservctl,
    LSM_SET_SELF_ATTR,
    // Ways into the kernel that its faults were found in, and around filters like this one.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_remap_file_pages,
    libc::SYS_lookup_dcookie,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// Numbers that are the same on every machine and that the C library's crate does not name yet.
const LSM_SET_SELF_ATTR: i64 = 460;
const OPEN_TREE_ATTR: i64 = 467;

/// Include/uapi/linux/bpf.h: elements of maps, and what a descriptor stands for. No program, no map, no attachment.
const BPF_COMMANDS: &[u64] = &[
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
];

/// What HTTP, name resolution (netlink: which addresses this host has) and local sockets use.
const FAMILIES: &[u64] = &[
    1,  // AF_UNIX
    2,  // AF_INET
    10, // AF_INET6
    16, // AF_NETLINK
];

const CLONE_THREAD: u64 = 0x0001_0000;
/// Include/uapi/linux/sched.h.
const CLONE_NEWNS: u64 = 0x0002_0000;
const CLONE_NEWCGROUP: u64 = 0x0200_0000;
const CLONE_NEWUTS: u64 = 0x0400_0000;
const CLONE_NEWIPC: u64 = 0x0800_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;
const CLONE_NEWPID: u64 = 0x2000_0000;
const CLONE_NEWNET: u64 = 0x4000_0000;

/// Puts a character into a terminal's input: `ioctl_tty(2)`.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

/// Calls that are refused with some arguments. Any of the lines of a call is enough.
pub(super) const SOMETIMES: &[(i64, When<'static>)] = &[
    // No program is started. A call without a path starts none, and lets gomon see whether it sees.
    (libc::SYS_execve, When::Pointer(0)),
    (libc::SYS_execveat, When::Pointer(1)),
    // Threads, and no processes.
    (libc::SYS_clone, When::Bits(0, CLONE_THREAD, 0)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWNS, CLONE_NEWNS)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWCGROUP, CLONE_NEWCGROUP)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWUTS, CLONE_NEWUTS)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWIPC, CLONE_NEWIPC)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWUSER, CLONE_NEWUSER)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWPID, CLONE_NEWPID)),
    (libc::SYS_clone, When::Bits(0, CLONE_NEWNET, CLONE_NEWNET)),
    (libc::SYS_bpf, When::Not(0, BPF_COMMANDS)),
    (libc::SYS_socket, When::Not(0, FAMILIES)),
    (libc::SYS_ioctl, When::Is(1, TIOCSTI)),
    (libc::SYS_ioctl, When::Is(1, TIOCLINUX)),
];

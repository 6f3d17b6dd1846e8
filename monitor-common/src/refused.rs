//! Which refused system calls user space wants to see: the kernel side's decision, and the table that it rests on.
//!
//! A seccomp filter answers before the call begins, so the call's own entry tells nothing; its return does.

#![expect(clippy::inline_always, reason = "part of a kernel program")]

/// Which argument of a system call names what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Nothing,
    /// This argument is a path.
    Path(u32),
    /// The second argument is a socket address, the third its length.
    Address,
}

/// A system call that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// As in syscalls(2).
    pub name: &'static str,
    pub x86_64: Option<u32>,
    pub aarch64: Option<u32>,
    pub about: About,
    /// It changes a file system: a read-only one refuses it.
    pub writes: bool,
}

const fn call(name: &'static str, x86_64: u32, aarch64: u32) -> Watched {
    Watched { name, x86_64: Some(x86_64), aarch64: Some(aarch64), about: About::Nothing, writes: false }
}

/// One that newer architectures do without.
const fn old(name: &'static str, x86_64: u32) -> Watched {
    Watched { name, x86_64: Some(x86_64), aarch64: None, about: About::Nothing, writes: false }
}

impl Watched {
    const fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    const fn writes(self, path_at: u32) -> Self {
        Self { about: About::Path(path_at), writes: true, ..self }
    }

    /// Its number on the architecture that `CONFIG` names as in `std::env::consts::ARCH`.
    #[must_use]
    pub fn number(&self, architecture: &str) -> Option<u32> {
        if architecture == "aarch64" { self.aarch64 } else { self.x86_64 }
    }

    /// What its tracepoints end with: the name of the kernel's function, which is the system call's save for one.
    #[must_use]
    pub fn tracepoint(&self) -> &'static str {
        if self.name == "umount2" { "umount" } else { self.name }
    }
}

/// Calls that container profiles refuse, or that a read-only root does; each is rare in a healthy program. Numbers of
/// `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.
pub const WATCHED: [Watched; 46] = [
    call("bind", 49, 200).about(About::Address),
    call("ptrace", 101, 117),
    call("clone3", 435, 435),
    call("unshare", 272, 97),
    call("setns", 308, 268),
    call("mount", 165, 40).about(About::Path(1)),
    call("umount2", 166, 39).about(About::Path(0)),
    call("pivot_root", 155, 41).about(About::Path(0)),
    call("chroot", 161, 51).about(About::Path(0)),
    call("fsopen", 430, 430),
    call("open_tree", 428, 428).about(About::Path(1)),
    call("move_mount", 429, 429),
    call("bpf", 321, 280),
    call("perf_event_open", 298, 241),
    call("userfaultfd", 323, 282),
    call("io_uring_setup", 425, 425),
    call("keyctl", 250, 219),
    call("add_key", 248, 217),
    call("request_key", 249, 218),
    call("personality", 135, 92),
    call("process_vm_readv", 310, 270),
    call("process_vm_writev", 311, 271),
    call("mbind", 237, 235),
    call("set_mempolicy", 238, 237),
    call("get_mempolicy", 239, 236),
    call("move_pages", 279, 239),
    call("name_to_handle_at", 303, 264).about(About::Path(1)),
    call("open_by_handle_at", 304, 265),
    call("syslog", 103, 116),
    call("reboot", 169, 142),
    call("clock_settime", 227, 112),
    call("settimeofday", 164, 170),
    call("sethostname", 170, 161),
    call("init_module", 175, 105),
    call("finit_module", 313, 273),
    call("sched_getaffinity", 204, 123),
    call("epoll_create1", 291, 20),
    call("socket", 41, 198),
    call("mknodat", 259, 33).writes(1),
    call("mkdirat", 258, 34).writes(1),
    call("unlinkat", 263, 35).writes(1),
    call("fchmodat", 268, 53).writes(1),
    call("renameat2", 316, 276).writes(1),
    old("renameat", 264).writes(1),
    old("mkdir", 83).writes(0),
    old("chmod", 90).writes(0),
];

/// Numbers that [`by_number`] has an entry for: more than any watched call's.
pub const NUMBERS: usize = 512;

/// What the kernel side has to know about the call of one number, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Entry(u8);

impl Entry {
    const NOBODY: Self = Self(0);
    const WATCHED: u8 = 1;
    const WRITES: u8 = 2;
    const ADDRESS: u8 = 4;
    const PATH_FIRST: u8 = 8;
    const PATH_SECOND: u8 = 16;

    const fn of(call: &Watched) -> Self {
        let about = match call.about {
            About::Nothing => 0,
            About::Path(0) => Self::PATH_FIRST,
            About::Path(_) => Self::PATH_SECOND,
            About::Address => Self::ADDRESS,
        };
        Self(Self::WATCHED | about | if call.writes { Self::WRITES } else { 0 })
    }

    #[inline(always)]
    #[must_use]
    pub const fn is_watched(self) -> bool {
        self.0 != 0
    }

    /// See [`Watched::writes`].
    #[inline(always)]
    #[must_use]
    pub const fn writes(self) -> bool {
        self.0 & Self::WRITES != 0
    }

    /// It is bind(2): its second argument is a socket address.
    #[inline(always)]
    #[must_use]
    pub const fn is_bind(self) -> bool {
        self.0 & Self::ADDRESS != 0
    }

    /// Which argument is a path.
    #[inline(always)]
    #[must_use]
    pub const fn path_at(self) -> Option<u32> {
        match self.0 & (Self::PATH_FIRST | Self::PATH_SECOND) {
            Self::PATH_FIRST => Some(0),
            Self::PATH_SECOND => Some(1),
            _ => None,
        }
    }
}

/// All calls of an architecture by their numbers, so that one costs a load and not a search.
#[must_use]
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
pub const fn by_number(is_aarch64: bool) -> [Entry; NUMBERS] {
    let mut entries = [Entry::NOBODY; NUMBERS];
    let mut at = 0;
    while at < WATCHED.len() {
        let call = &WATCHED[at];
        if let Some(number) = if is_aarch64 { call.aarch64 } else { call.x86_64 } {
            entries[number as usize] = Entry::of(call);
        }
        at += 1;
    }
    entries
}

/// Whether any watched call would be of interest with this result. Of a host's calls next to none pass.
#[inline(always)]
#[must_use]
pub const fn may_be_wanted(result: i64) -> bool {
    wanted(result, true, true)
}

/// Whether user space wants to see that a watched call returned `result`. `writes`: it changes a file system.
///
/// EPERM and EACCES are what filters, modules and missing capabilities answer; EROFS is a read-only file system's;
/// EADDRINUSE and EADDRNOTAVAIL are bind(2)'s.
#[inline(always)]
#[must_use]
pub const fn wanted(result: i64, writes: bool, is_bind: bool) -> bool {
    match result {
        -1 | -13 => true,
        -30 => writes,
        -98 | -99 => is_bind,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_watched_calls_are_unique() {
        for (at, call) in WATCHED.iter().enumerate() {
            for other in &WATCHED[at + 1..] {
                assert_ne!(call.name, other.name);
                assert!(
                    call.x86_64 != other.x86_64 && (call.aarch64.is_none() || call.aarch64 != other.aarch64)
                );
            }
        }
    }

    #[test]
    fn the_table_says_of_every_number_what_the_list_says() {
        for architecture in ["x86_64", "aarch64"] {
            let entries = by_number(architecture == "aarch64");
            for call in &WATCHED {
                let Some(number) = call.number(architecture) else { continue };
                let entry = entries[number as usize];
                let about = match (entry.path_at(), entry.is_bind()) {
                    (Some(position), false) => About::Path(position),
                    (None, true) => About::Address,
                    _ => About::Nothing,
                };
                assert_eq!((entry.is_watched(), entry.writes(), about), (true, call.writes, call.about));
            }
            let watched = entries.iter().filter(|entry| entry.is_watched()).count();
            assert_eq!(watched, WATCHED.iter().filter(|call| call.number(architecture).is_some()).count());
        }
    }

    #[test]
    fn refusals_are_told_from_ordinary_failures() {
        assert!(wanted(-1, false, false) && wanted(-13, true, false));
        assert!(wanted(-30, true, false) && !wanted(-30, false, false));
        assert!(wanted(-98, false, true) && !wanted(-98, true, false));
        // A fallback that every program knows.
        assert!(!may_be_wanted(0) && !may_be_wanted(-11) && may_be_wanted(-98));
        assert!(!wanted(-38, false, false) && !wanted(-2, true, false) && !wanted(3, true, true));
    }
}

//! What is remembered of a process, one value an occurrence.

use core::net::SocketAddr;
use std::sync::Arc;

use monitor_common::path::PathClass;

use crate::model::{
    container::CgroupId,
    errno::Errno,
    event::{Disposition, Refusal, RefusedAbout, SignalOutcome, Task},
    signal::Signal,
    time::BootNs,
};

/// A successful exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub at: BootNs,
    pub path: String,
    pub interpreter: String,
    /// Who forked it, in the host's pid namespace.
    pub parent_pid: u32,
    /// The runtime itself started it: the container's command, or a command from outside (`docker exec`, a health
    /// check).
    pub by_runtime: bool,
}

/// A failed exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecFailure {
    pub at: BootNs,
    pub errno: Errno,
    pub path: String,
    pub argv0: String,
    /// The name of the task that tried.
    pub comm: Arc<str>,
}

/// All opens of one shared library name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LibrarySearch {
    pub first_at: BootNs,
    pub last_at: BootNs,
    pub failed: u32,
    /// The first candidate that is there and could not be opened (not ENOENT), and why.
    pub refused: Option<(String, Errno)>,
    /// Where it was found in the end.
    pub opened: Option<String>,
}

/// A telling open of another class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSeen {
    pub at: BootNs,
    pub path: String,
    pub class: PathClass,
    pub result: Result<i32, Errno>,
    pub flags: u32,
}

/// A signal sent to the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalSeen {
    pub at: BootNs,
    pub signal: Signal,
    /// `si_code`.
    pub code: i32,
    pub sender: Task,
    pub sender_cgroup: CgroupId,
    pub outcome: SignalOutcome,
    /// Of a SIGSYS by seccomp: the number of the system call.
    pub syscall: Option<u32>,
    /// What the target did with it, once it was delivered.
    pub delivered: Option<(BootNs, Disposition)>,
}

/// The kernel chose it as OOM victim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OomSeen {
    pub at: BootNs,
    /// The task that asked for memory.
    pub allocator: Task,
    pub anon_pages: Option<u64>,
    pub file_pages: Option<u64>,
    pub shmem_pages: Option<u64>,
    pub limit_pages: Option<u64>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitSeen {
    pub at: BootNs,
    pub code: i32,
    pub signal: Option<Signal>,
}

impl ExitSeen {
    /// The exit code as a shell and `docker ps` show it: 128 plus the signal's number after a kill.
    pub fn shell_code(&self) -> i32 {
        self.signal.map_or(self.code, |signal| 128 + signal.0)
    }
}

/// A watched system call that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSeen {
    pub at: BootNs,
    /// As in syscalls(2).
    pub syscall: Arc<str>,
    pub result: Refusal,
    /// The first three arguments.
    pub arguments: [u64; 3],
    pub about: Option<RefusedAbout>,
}

impl RefusedSeen {
    /// The errno, where the thread lived on.
    pub fn errno(&self) -> Option<Errno> {
        match self.result {
            Refusal::Errno(errno) => Some(errno),
            Refusal::ThreadKilled => None,
        }
    }

    /// The path that the call was about.
    pub fn path(&self) -> Option<&str> {
        match self.about.as_ref()? {
            RefusedAbout::Path(path) => Some(path),
            RefusedAbout::Address(_) => None,
        }
    }

    /// The address that bind(2) was given.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.about.as_ref()? {
            RefusedAbout::Address(address) => Some(*address),
            RefusedAbout::Path(_) => None,
        }
    }
}

/// A TCP socket that began to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenSeen {
    pub at: BootNs,
    pub address: SocketAddr,
}

/// A dlopen(3) that returned NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DlopenSeen {
    /// The first time.
    pub at: BootNs,
    pub last_at: BootNs,
    pub name: String,
    /// `RTLD_*`.
    pub flags: u32,
}

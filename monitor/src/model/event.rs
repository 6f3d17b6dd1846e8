//! What the kernel saw, decoded: one value an occurrence. Strings are lossy UTF-8 and not yet inert.

use core::net::SocketAddr;
use std::sync::Arc;

use monitor_common::{path::PathClass, probe::Probe};
use serde::{Deserialize, Serialize};

use super::{container::CgroupId, errno::Errno, signal::Signal, time::BootNs};

/// One thing that happened in, or to, a watched cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: BootNs,
    /// The cgroup that the event is about: for a signal or an OOM kill that of its target.
    pub cgroup: CgroupId,
    /// The task in whose context the kernel reported it: for a generated signal its sender.
    pub task: Task,
    pub kind: EventKind,
}

/// The task that an event was reported by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Task {
    /// Process id in the host's pid namespace.
    pub pid: u32,
    /// Thread id in the host's pid namespace.
    pub tid: u32,
    /// Process id in the task's own (innermost) pid namespace; 0 where it could not be read.
    pub ns_pid: u32,
    pub comm: Arc<str>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// execve(2) or execveat(2) failed.
    ExecFailed { errno: Errno, path: String, argv0: String },
    /// A new program runs in the task (`sched_process_exec`).
    Exec {
        /// The path that was asked for; for a script the script itself.
        path: String,
        /// The file that the kernel mapped: for a script its interpreter.
        interpreter: String,
        parent_pid: u32,
    },
    /// open(2), openat(2) or openat2(2) returned, for a path of a class that gomon wants or with a telling errno.
    Open { path: Arc<str>, class: PathClass, result: Result<i32, Errno>, flags: u32 },
    /// The kernel chose a victim (`mark_victim`).
    OomKill {
        victim: Task,
        anon_pages: Option<u64>,
        file_pages: Option<u64>,
        shmem_pages: Option<u64>,
        /// What the victim's memory cgroup may have at that moment; far beyond all memory where it has no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit_pages: Option<u64>,
    },
    /// A signal was sent (`signal_generate`). The sender is the event's task.
    SignalSent {
        signal: Signal,
        /// `si_code`: who sent it, see sigaction(2).
        code: i32,
        target: Task,
        /// The sender's cgroup; differs from the event's where the signal came from outside.
        sender_cgroup: CgroupId,
        outcome: SignalOutcome,
        /// Of a SIGSYS by seccomp: the number of the system call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        syscall: Option<u32>,
    },
    /// A signal reached its target (`signal_deliver`).
    SignalDelivered { signal: Signal, code: i32, disposition: Disposition },
    /// The last thread of a process is gone (`sched_process_exit`).
    Exit { code: i32, signal: Option<Signal>, core_dumped: bool, parent_pid: u32 },
    /// A TLS client refused the server's certificate.
    TlsRefused { fd: u32 },
    /// A watched system call failed with an errno of a refusal, or cost the calling thread its life.
    SyscallRefused {
        /// As in syscalls(2).
        syscall: Arc<str>,
        result: Refusal,
        /// The first three arguments.
        arguments: [u64; 3],
        about: Option<RefusedAbout>,
    },
    /// A TCP socket began to listen.
    Listening { address: SocketAddr },
    /// dlopen(3) or dlmopen(3) returned NULL.
    DlopenFailed { name: String, flags: u32 },
    /// The container makes more events of a probe than gomon takes in from one: for a while the kernel keeps them back.
    Flooded { probe: String },
    /// A cgroup directory was made, with its path below the hierarchy's mount.
    CgroupMade {
        hierarchy: u32,
        path: String,
        /// The arguments of the process that made it, of many the last ones. Whose container it is follows from them
        /// before the engine sees the event.
        #[serde(skip)]
        command: Vec<String>,
    },
    /// A cgroup directory was removed.
    CgroupRemoved { hierarchy: u32, path: String },
}

impl EventKind {
    /// The probe that reports it.
    pub fn probe(&self) -> Probe {
        match self {
            Self::ExecFailed { .. } => Probe::ExecFailed,
            Self::Exec { .. } => Probe::Exec,
            Self::Open { .. } => Probe::Open,
            Self::OomKill { .. } => Probe::OomKill,
            Self::SignalSent { .. } => Probe::SignalSent,
            Self::SignalDelivered { .. } => Probe::SignalDelivered,
            Self::Exit { .. } => Probe::Exit,
            Self::TlsRefused { .. } => Probe::TlsAlert,
            Self::SyscallRefused { .. } => Probe::SyscallRefused,
            Self::Listening { .. } => Probe::Listening,
            Self::DlopenFailed { .. } => Probe::DlopenFailed,
            Self::Flooded { .. } => Probe::Flood,
            Self::CgroupMade { .. } => Probe::CgroupMade,
            Self::CgroupRemoved { .. } => Probe::CgroupRemoved,
        }
    }
}

/// `TRACE_SIGNAL_*` of include/trace/events/signal.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalOutcome {
    Delivered,
    Ignored,
    AlreadyPending,
    OverflowFail,
    LoseInfo,
    Other,
}

/// What the target does with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    Default,
    Ignored,
    Handler,
}

/// What a refused system call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    Errno(Errno),
    /// A seccomp filter ended the calling thread.
    ThreadKilled,
}

/// What a refused system call was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedAbout {
    Path(String),
    Address(SocketAddr),
}

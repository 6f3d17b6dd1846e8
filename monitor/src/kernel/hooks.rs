//! The hook table: which kernel hook serves which probes, since when, and what is lost without it.

use monitor_common::probe::Probe;

/// One kernel program and where it attaches.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    /// The program's name in the object.
    pub program: &'static str,
    /// The tracepoint, attached through BTF (`tp_btf`): needs neither tracefs nor `perf_event_open`.
    pub tracepoint: &'static str,
    /// The first kernel release that has it in the form that gomon uses.
    pub since: &'static str,
    pub probes: &'static [Probe],
    /// What gomon cannot see without it.
    pub lost: &'static str,
}

/// All hooks. `tp_btf` exists from 5.5, the ring buffer from 5.8.
pub const HOOKS: &[Hook] = &[
    Hook {
        program: "cgroup_mkdir",
        tracepoint: "cgroup_mkdir",
        since: "5.8",
        probes: &[Probe::CgroupMade],
        lost: "the birth of containers: they are found by scanning, too late for short-lived ones",
    },
    Hook {
        program: "cgroup_rmdir",
        tracepoint: "cgroup_rmdir",
        since: "5.8",
        probes: &[Probe::CgroupRemoved],
        lost: "the end of containers: their state is kept until the agent restarts",
    },
    Hook {
        program: "sched_process_exec",
        tracepoint: "sched_process_exec",
        since: "5.8",
        probes: &[Probe::Exec],
        lost: "which program a process runs",
    },
    Hook {
        program: "sched_process_exit",
        tracepoint: "sched_process_exit",
        since: "5.8",
        probes: &[Probe::Exit],
        lost: "exit codes, and with them loader failures",
    },
    Hook {
        program: "mark_victim",
        tracepoint: "mark_victim",
        since: "5.8",
        probes: &[Probe::OomKill],
        lost: "OOM kills",
    },
    Hook {
        program: "signal_generate",
        tracepoint: "signal_generate",
        since: "5.8",
        probes: &[Probe::SignalSent],
        lost: "who sent which signal",
    },
    Hook {
        program: "signal_deliver",
        tracepoint: "signal_deliver",
        since: "5.8",
        probes: &[Probe::SignalDelivered],
        lost: "what a process does with a signal",
    },
    Hook {
        program: "sys_exit",
        tracepoint: "sys_exit",
        since: "5.8",
        probes: &[Probe::ExecFailed, Probe::Open, Probe::TlsAlert],
        lost: "failing execve calls, opens of libraries and certificates, refused TLS handshakes",
    },
];

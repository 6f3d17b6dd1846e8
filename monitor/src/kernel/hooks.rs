//! The hook table: which kernel programs serve which probes, in order of preference, since when, and what is lost
//! without them.

use std::fmt;

use monitor_common::{
    probe::Probe,
    refused::{WATCHED, Watched},
};

/// Where a program attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// A tracepoint, attached through BTF: needs neither tracefs nor `perf_event_open`.
    TpBtf(&'static str),
    /// A tracepoint of that category and name, attached through a perf event: needs tracefs.
    Tracepoint(&'static str, &'static str),
    /// The tracepoints behind these system calls, each attached like a single one. Of a call that the kernel does not
    /// have there is none.
    Behind(&'static [Watched]),
    /// The end of a kernel function. Where the kernel allows it the cheapest: other functions do not notice.
    Fexit(&'static str),
    /// A function in the files of containers, by its name; each container that calls it is attended to by itself.
    Uprobe(&'static str),
}

impl fmt::Display for Attach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TpBtf(name) => write!(out, "tp_btf/{name}"),
            Self::Tracepoint(category, name) => write!(out, "tracepoint/{category}/{name}"),
            Self::Behind(calls) => write!(out, "tracepoint/syscalls/sys_exit_* of {} calls", calls.len()),
            Self::Fexit(function) => write!(out, "fexit/{function}"),
            Self::Uprobe(function) => write!(out, "uprobe/{function}"),
        }
    }
}

/// One kernel program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    pub attach: Attach,
}

/// How the programs of a way attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Fexit,
    Tracepoint,
    Raw,
    Uprobe,
}

impl Kind {
    /// Those that there is a choice between.
    pub const ALL: [Self; 3] = [Self::Fexit, Self::Tracepoint, Self::Raw];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Fexit => "fexit",
            Self::Tracepoint => "tracepoint",
            Self::Raw => "raw",
            Self::Uprobe => "uprobe",
        }
    }
}

/// One way to see: all of its programs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    pub kind: Kind,
    /// The first kernel release that allows it, where its configuration does.
    pub since: &'static str,
    pub programs: &'static [Program],
}

/// Probes that are served together.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    pub name: &'static str,
    pub probes: &'static [Probe],
    /// The best one first.
    pub ways: &'static [Way],
    /// What gomon cannot see without it.
    pub lost: &'static str,
}

/// A program that is named as its tracepoint.
const fn tp_btf(tracepoint: &'static str) -> Program {
    Program { name: tracepoint, attach: Attach::TpBtf(tracepoint) }
}

/// A program that is named as its tracepoint, one of those behind a system call.
const fn behind(tracepoint: &'static str) -> Program {
    Program { name: tracepoint, attach: Attach::Tracepoint("syscalls", tracepoint) }
}

const fn fexit(name: &'static str, function: &'static str) -> Program {
    Program { name, attach: Attach::Fexit(function) }
}

const fn uprobe(name: &'static str, function: &'static str) -> Program {
    Program { name, attach: Attach::Uprobe(function) }
}

/// A way through tracepoints and BTF. `tp_btf` exists from 5.5, the ring buffer from 5.8.
const fn raw(programs: &'static [Program]) -> Way {
    Way { kind: Kind::Raw, since: "5.8", programs }
}

/// `open(2)` has a number of its own on `x86_64` only.
#[cfg(target_arch = "x86_64")]
mod calls {
    use super::{Program, behind, fexit};

    pub(super) const AT_FUNCTIONS: &[Program] = &[
        fexit("fexit_openat", "__x64_sys_openat"),
        fexit("fexit_openat2", "__x64_sys_openat2"),
        fexit("fexit_open", "__x64_sys_open"),
        fexit("fexit_execve", "__x64_sys_execve"),
        fexit("fexit_execveat", "__x64_sys_execveat"),
    ];
    pub(super) const AT_TRACEPOINTS: &[Program] = &[
        behind("sys_exit_openat"),
        behind("sys_exit_openat2"),
        behind("sys_exit_open"),
        behind("sys_exit_execve"),
        behind("sys_exit_execveat"),
    ];
    pub(super) const WRITE: &[Program] = &[fexit("fexit_write", "__x64_sys_write")];
}

#[cfg(not(target_arch = "x86_64"))]
mod calls {
    use super::{Program, behind, fexit};

    pub(super) const AT_FUNCTIONS: &[Program] = &[
        fexit("fexit_openat", "__arm64_sys_openat"),
        fexit("fexit_openat2", "__arm64_sys_openat2"),
        fexit("fexit_execve", "__arm64_sys_execve"),
        fexit("fexit_execveat", "__arm64_sys_execveat"),
    ];
    pub(super) const AT_TRACEPOINTS: &[Program] = &[
        behind("sys_exit_openat"),
        behind("sys_exit_openat2"),
        behind("sys_exit_execve"),
        behind("sys_exit_execveat"),
    ];
    pub(super) const WRITE: &[Program] = &[fexit("fexit_write", "__arm64_sys_write")];
}

/// All hooks.
///
/// The tracepoints behind single system calls cost an open more than the one behind all of them, and every other call
/// less; a host makes many more calls that are no opens. They need `bpf_task_pt_regs`, which came with 5.15.
///
/// A call that a seccomp filter refuses never reaches its function, and never enters: only its return tells. The calls that
/// are refused are rare ones. Behind each of them a tracepoint costs the others nothing more where opens are watched so
/// already, and half of what a program behind all calls costs them where nothing is. Its price is paid once: the kernel
/// lets go of tracepoints one after another, and stopping takes longer.
pub const HOOKS: &[Hook] = &[
    Hook {
        name: "cgroup_mkdir",
        probes: &[Probe::CgroupMade],
        ways: &[raw(&[tp_btf("cgroup_mkdir")])],
        lost: "the birth of containers: they are found by scanning, too late for short-lived ones",
    },
    Hook {
        name: "cgroup_rmdir",
        probes: &[Probe::CgroupRemoved],
        ways: &[raw(&[tp_btf("cgroup_rmdir")])],
        lost: "the end of containers: their state is kept until the agent restarts",
    },
    Hook {
        name: "sched_process_exec",
        probes: &[Probe::Exec],
        ways: &[raw(&[tp_btf("sched_process_exec")])],
        lost: "which program a process runs",
    },
    Hook {
        name: "sched_process_exit",
        probes: &[Probe::Exit],
        ways: &[raw(&[tp_btf("sched_process_exit")])],
        lost: "exit codes, and with them loader failures",
    },
    Hook {
        name: "mark_victim",
        probes: &[Probe::OomKill],
        ways: &[raw(&[tp_btf("mark_victim")])],
        lost: "OOM kills",
    },
    Hook {
        name: "signal_generate",
        probes: &[Probe::SignalSent],
        ways: &[raw(&[tp_btf("signal_generate")])],
        lost: "who sent which signal",
    },
    Hook {
        name: "signal_deliver",
        probes: &[Probe::SignalDelivered],
        ways: &[raw(&[tp_btf("signal_deliver")])],
        lost: "what a process does with a signal",
    },
    Hook {
        name: "open_and_exec",
        probes: &[Probe::ExecFailed, Probe::Open],
        ways: &[
            // Before, some kernels describe an argument of execveat without its type, and the verifier lets nobody at it.
            Way { kind: Kind::Fexit, since: "5.15", programs: calls::AT_FUNCTIONS },
            Way { kind: Kind::Tracepoint, since: "5.15", programs: calls::AT_TRACEPOINTS },
            raw(&[tp_btf("sys_exit")]),
        ],
        lost: "failing execve calls, opens of libraries and certificates",
    },
    Hook {
        name: "tls",
        probes: &[Probe::TlsAlert],
        ways: &[
            Way { kind: Kind::Raw, since: "6.3", programs: &[tp_btf("sock_send_length")] },
            Way { kind: Kind::Fexit, since: "5.8", programs: calls::WRITE },
            Way { kind: Kind::Tracepoint, since: "5.15", programs: &[behind("sys_exit_write")] },
            raw(&[Program { name: "sys_exit_any_write", attach: Attach::TpBtf("sys_exit") }]),
        ],
        lost: "refused TLS handshakes",
    },
    Hook {
        name: "syscall_refused",
        probes: &[Probe::SyscallRefused],
        ways: &[
            Way {
                kind: Kind::Tracepoint,
                since: "5.15",
                programs: &[Program { name: "sys_exit_refused", attach: Attach::Behind(&WATCHED) }],
            },
            raw(&[Program { name: "sys_exit_any_refused", attach: Attach::TpBtf("sys_exit") }]),
        ],
        lost: "refused system calls: seccomp, bind, ptrace, read-only file systems",
    },
    Hook {
        name: "inet_sock_set_state",
        probes: &[Probe::Listening],
        ways: &[raw(&[tp_btf("inet_sock_set_state")])],
        lost: "listening sockets",
    },
];

/// At the first instruction of dlopen(3), at that of dlmopen(3), and at those by which both return.
pub const DLOPEN_PROGRAMS: [Program; 3] = [
    uprobe("dlopen_called", "dlopen"),
    uprobe("dlmopen_called", "dlmopen"),
    uprobe("dlopen_returns", "dlopen and dlmopen"),
];

/// What is loaded at the start and attached when a container needs it.
pub const ON_DEMAND: &[Hook] = &[Hook {
    name: "dlopen",
    probes: &[Probe::DlopenFailed],
    ways: &[Way { kind: Kind::Uprobe, since: "5.8", programs: &DLOPEN_PROGRAMS }],
    lost: "libraries that a running program fails to load",
}];

impl Hook {
    /// The first kernel release on which one of its ways can be had.
    pub fn since(&self) -> &'static str {
        // The last resort of every hook is its oldest.
        self.ways.last().map_or("", |way| way.since)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_probe_is_served_by_one_hook_and_each_program_stands_once() {
        let served: Vec<Probe> =
            HOOKS.iter().chain(ON_DEMAND).flat_map(|hook| hook.probes).copied().collect();
        let all: Vec<Probe> = Probe::ALL.into_iter().filter(|probe| !probe.is_told_by_others()).collect();
        assert_eq!(served.iter().collect::<BTreeSet<_>>(), all.iter().collect());
        assert_eq!(served.len(), all.len());
        let programs: Vec<&str> = HOOKS
            .iter()
            .chain(ON_DEMAND)
            .flat_map(|hook| hook.ways)
            .flat_map(|way| way.programs)
            .map(|program| program.name)
            .collect();
        assert_eq!(programs.iter().collect::<BTreeSet<_>>().len(), programs.len());
    }

    #[test]
    fn the_last_way_of_every_hook_needs_no_tracefs_and_no_trampoline() {
        for hook in HOOKS {
            assert_eq!(
                hook.ways.last().map(|way| (way.kind, way.since)),
                Some((Kind::Raw, "5.8")),
                "{}",
                hook.name
            );
        }
    }
}

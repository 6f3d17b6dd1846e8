//! Programs that do nothing, on the same hooks as gomon's: what hooking costs before any work is done.

use std::ffi::{CString, c_long};
use std::fmt;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use serde::Serialize;

use super::bpf::{bpf, check, owned};

/// Numbers of include/uapi/linux/bpf.h.
const BPF_PROG_LOAD: c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: c_long = 17;
const TYPE_TRACEPOINT: u32 = 5;
const TYPE_RAW_TRACEPOINT: u32 = 17;
/// `r0 = 0; exit`.
const INSTRUCTIONS: [u64; 2] = [0xb7, 0x95];

/// A place in the kernel where a program can be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hook {
    /// Of `tp_btf` programs too: both are called the same way.
    Raw(&'static str),
    /// Through perf, by its directory below `events`.
    Classic(&'static str),
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(name) => write!(f, "raw tracepoint `{name}`"),
            Self::Classic(path) => write!(f, "classic tracepoint `{path}`"),
        }
    }
}

/// gomon's programs and their hooks, but for those at the end of kernel functions.
const PROGRAMS: &[(&str, Hook)] = &[
    ("cgroup_mkdir", Hook::Raw("cgroup_mkdir")),
    ("cgroup_rmdir", Hook::Raw("cgroup_rmdir")),
    ("sched_process_exec", Hook::Raw("sched_process_exec")),
    ("sched_process_exit", Hook::Raw("sched_process_exit")),
    ("mark_victim", Hook::Raw("mark_victim")),
    ("signal_generate", Hook::Raw("signal_generate")),
    ("signal_deliver", Hook::Raw("signal_deliver")),
    ("sock_send_length", Hook::Raw("sock_send_length")),
    ("sys_exit", Hook::Raw("sys_exit")),
    ("sys_exit_openat", Hook::Classic("syscalls/sys_exit_openat")),
    ("sys_exit_openat2", Hook::Classic("syscalls/sys_exit_openat2")),
    ("sys_exit_open", Hook::Classic("syscalls/sys_exit_open")),
    ("sys_exit_execve", Hook::Classic("syscalls/sys_exit_execve")),
    ("sys_exit_execveat", Hook::Classic("syscalls/sys_exit_execveat")),
    ("sys_exit_write", Hook::Classic("syscalls/sys_exit_write")),
    ("sys_exit_any_write", Hook::Raw("sys_exit")),
];

/// The hook of one of gomon's programs; `None` if the table above does not have it.
pub(super) fn hook_of(program: &str) -> Option<Hook> {
    PROGRAMS.iter().find(|(name, _)| *name == program).map(|(_, hook)| *hook)
}

/// An attached program that does nothing; detached when dropped.
pub(super) struct Empty {
    program: OwnedFd,
    _link: OwnedFd,
}

impl Empty {
    pub(super) fn attach(hook: Hook) -> Result<Self> {
        let descriptors = match hook {
            Hook::Raw(name) => raw(name),
            Hook::Classic(path) => classic(path),
        };
        let [program, link] =
            descriptors.with_context(|| format!("cannot attach an empty program to the {hook}"))?;
        Ok(Self { program, _link: link })
    }

    /// Runs, and nanoseconds of all of them together, while the kernel counts them.
    pub(super) fn books(&self) -> Result<(f64, f64)> {
        let path = format!("/proc/self/fdinfo/{}", self.program.as_raw_fd());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok())
        };
        field("run_cnt").zip(field("run_time_ns")).context("the kernel keeps no books on its programs")
    }
}

/// The program and what holds it in its place.
fn raw(name: &str) -> Result<[OwnedFd; 2]> {
    #[repr(C)]
    struct Open {
        name: u64,
        program: u32,
        padding: u32,
    }
    let program = load(TYPE_RAW_TRACEPOINT)?;
    let name = CString::new(name)?;
    let mut open =
        Open { name: name.as_ptr() as u64, program: program.as_raw_fd().cast_unsigned(), padding: 0 };
    let link = bpf(BPF_RAW_TRACEPOINT_OPEN, &mut open)?;
    Ok([program, link])
}

fn classic(path: &str) -> Result<[OwnedFd; 2]> {
    const PERF_TYPE_TRACEPOINT: u64 = 2;
    /// `PERF_ATTR_SIZE_VER0` of `include/uapi/linux/perf_event.h`.
    const SIZE: u64 = 64;
    const CLOSE_ON_EXEC: c_long = 8;
    /// `PERF_EVENT_IOC_SET_BPF` and `PERF_EVENT_IOC_ENABLE`.
    const SET_BPF: libc::c_ulong = 0x4004_2408;
    const ENABLE: libc::c_ulong = 0x2400;
    let file = format!("/sys/kernel/tracing/events/{path}/id");
    let id: u64 = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?.trim().parse()?;
    let program = load(TYPE_TRACEPOINT)?;
    let attributes: [u64; 8] = [PERF_TYPE_TRACEPOINT | SIZE << 32, id, 1, 0, 0, 0, 0, 0];
    // The event of any one CPU attaches the program to all of them.
    let (every_process, cpu, no_group) = (-1, 0, -1);
    // SAFETY: the attributes are as long as they say and outlive the call.
    let event = owned(unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attributes.as_ptr(),
            every_process,
            cpu,
            no_group,
            CLOSE_ON_EXEC,
        )
    })?;
    // SAFETY: both descriptors are open; the argument is a number.
    check(unsafe { libc::ioctl(event.as_raw_fd(), SET_BPF, program.as_raw_fd()) }.into())?;
    // SAFETY: as above.
    check(unsafe { libc::ioctl(event.as_raw_fd(), ENABLE, 0) }.into())?;
    Ok([program, event])
}

fn load(kind: u32) -> Result<OwnedFd> {
    /// The start of the attributes of `BPF_PROG_LOAD`; the kernel takes the rest as zero.
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        licence: u64,
        log: [u64; 2],
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
    }
    let licence = c"GPL";
    let mut load = Load {
        kind,
        count: 2,
        instructions: INSTRUCTIONS.as_ptr() as u64,
        licence: licence.as_ptr() as u64,
        log: [0; 2],
        kernel_version: 0,
        flags: 0,
        name: *b"gomon_bench_nop\0",
    };
    bpf(BPF_PROG_LOAD, &mut load).context("the kernel refused a program of two instructions")
}

//! Programs that do nothing, on the same hooks as gomon's: what hooking costs before any work is done.

use std::ffi::{CString, c_long};
use std::fmt;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use serde::Serialize;

use super::bpf::{bpf, check, owned};
use super::btf;

/// Numbers of include/uapi/linux/bpf.h.
const BPF_PROG_LOAD: c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: c_long = 17;
const TYPE_TRACEPOINT: u32 = 5;
const TYPE_RAW_TRACEPOINT: u32 = 17;
const TYPE_TRACING: u32 = 26;
const ATTACH_FEXIT: u32 = 25;
/// What the kernel's functions for system calls begin with.
const FUNCTION: &str = if cfg!(target_arch = "x86_64") { "__x64_sys_" } else { "__arm64_sys_" };
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
    /// At the end of the function of a system call, through a trampoline (`fexit`).
    Return(&'static str),
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(name) => write!(f, "raw tracepoint `{name}`"),
            Self::Classic(path) => write!(f, "classic tracepoint `{path}`"),
            Self::Return(call) => write!(f, "return of `{FUNCTION}{call}`"),
        }
    }
}

/// gomon's programs and their hooks.
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
    ("fexit_openat", Hook::Return("openat")),
    ("fexit_openat2", Hook::Return("openat2")),
    ("fexit_open", Hook::Return("open")),
    ("fexit_execve", Hook::Return("execve")),
    ("fexit_execveat", Hook::Return("execveat")),
    ("fexit_write", Hook::Return("write")),
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
            Hook::Return(call) => behind(call),
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
    let name = CString::new(name)?;
    let program = load(TYPE_RAW_TRACEPOINT, None)?;
    let link = open(name.as_ptr() as u64, &program)?;
    Ok([program, link])
}

fn behind(call: &str) -> Result<[OwnedFd; 2]> {
    const TYPES: &str = "/sys/kernel/btf/vmlinux";
    let types = fs::read(TYPES).with_context(|| format!("cannot read {TYPES}"))?;
    let function = btf::function(&types, &format!("{FUNCTION}{call}"))?;
    let program = load(TYPE_TRACING, Some(function))?;
    // Where it goes was said when it was loaded.
    let link = open(0, &program)?;
    Ok([program, link])
}

/// `name`: the address of a tracepoint's name.
fn open(name: u64, program: &OwnedFd) -> Result<OwnedFd> {
    #[repr(C)]
    struct Open {
        name: u64,
        program: u32,
        padding: u32,
    }
    bpf(BPF_RAW_TRACEPOINT_OPEN, &mut Open { name, program: program.as_raw_fd().cast_unsigned(), padding: 0 })
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
    let program = load(TYPE_TRACEPOINT, None)?;
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

/// `function`: the type of the one that a tracing program is attached to.
fn load(kind: u32, function: Option<u32>) -> Result<OwnedFd> {
    /// The attributes of `BPF_PROG_LOAD` as far as they are needed; the kernel takes the rest as zero.
    #[repr(C)]
    #[derive(Default)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        licence: u64,
        log: [u64; 2],
        kernel_version: u32,
        flags: u32,
        name: [u8; 16],
        device: u32,
        attach: u32,
        types_and_lines: [u64; 4],
        line_count: u32,
        function: u32,
    }
    let mut load = Load {
        kind,
        count: 2,
        instructions: INSTRUCTIONS.as_ptr() as u64,
        licence: c"GPL".as_ptr() as u64,
        name: *b"gomon_bench_nop\0",
        attach: if function.is_some() { ATTACH_FEXIT } else { 0 },
        function: function.unwrap_or(0),
        ..Load::default()
    };
    bpf(BPF_PROG_LOAD, &mut load).context("the kernel refused a program of two instructions")
}

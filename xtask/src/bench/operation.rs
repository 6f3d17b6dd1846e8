//! The operations whose price is measured: what a program does thousands of times, and how fast it may be repeated.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::ptr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Ordinary names of a program's search, in no class that gomon asks for.
const MISSING: &CStr = c"/usr/share/gomon-bench/missing";
/// A library that a loader would not find.
const MISSING_LIBRARY: &CStr = c"/usr/lib/libgomon-bench-missing.so";
const TRUE: &CStr = c"/bin/true";

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// A system call that no tool asks for.
    Getppid,
    OpenMissing,
    OpenMissingLibrary,
    /// More than any tool can print: most of them are lost, and the wake-ups of its reader are shared by many.
    OpenMissingLibraryFlood,
    OpenExisting,
    ExecMissing,
    Exec,
    KillZero,
    KillHandled,
}

/// Operations come in bursts, so that a tool that prints each of them can keep up and is measured at work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Done before the clock starts: after a pause the caches are cold.
    pub(super) warm: u32,
    pub(super) timed: u32,
    pub(super) pause: Duration,
}

impl Operation {
    pub(crate) const ALL: [Self; 9] = [
        Self::Getppid,
        Self::OpenMissing,
        Self::OpenMissingLibrary,
        Self::OpenMissingLibraryFlood,
        Self::OpenExisting,
        Self::ExecMissing,
        Self::Exec,
        Self::KillZero,
        Self::KillHandled,
    ];

    /// As the tables call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Getppid => "getppid",
            Self::OpenMissing => "openat of a missing file",
            Self::OpenMissingLibrary => "openat of a missing .so",
            Self::OpenMissingLibraryFlood => "openat of a missing .so, without pause",
            Self::OpenExisting => "openat and close of a file",
            Self::ExecMissing => "execve of a missing file",
            Self::Exec => "posix_spawn and wait of /bin/true",
            Self::KillZero => "kill(self, 0)",
            Self::KillHandled => "kill(self, SIGUSR1) with a handler",
        }
    }

    /// How much longer than the others it is measured: a start of a program takes hundreds of microseconds.
    pub(super) fn weight(self) -> u32 {
        if self == Self::Exec { 5 } else { 1 }
    }

    pub(super) fn pace(self) -> Pace {
        match self {
            Self::Getppid => Pace { warm: 0, timed: 2_000, pause: Duration::ZERO },
            Self::OpenMissingLibraryFlood => Pace { warm: 0, timed: 200, pause: Duration::ZERO },
            Self::Exec => Pace { warm: 0, timed: 1, pause: Duration::ZERO },
            Self::OpenMissing
            | Self::OpenMissingLibrary
            | Self::OpenExisting
            | Self::ExecMissing
            | Self::KillZero
            | Self::KillHandled => Self::BURST,
        }
    }

    /// At most 13,000 a second: gomon passes on 15,000 from one container.
    const BURST: Pace = Pace { warm: 8, timed: 48, pause: Duration::from_millis(4) };
}

/// Does it once; an unexpected result is an error. `own` is the pid of this process, asked for beforehand.
/// Kill needs `ignore_in_handler` before.
pub(super) fn perform(operation: Operation, own: libc::pid_t) -> Result<()> {
    match operation {
        Operation::Getppid => {
            // SAFETY: a system call without arguments.
            let parent = unsafe { libc::syscall(libc::SYS_getppid) };
            expect(parent >= 0)
        }
        Operation::OpenMissing => expect(open(MISSING) == Err(libc::ENOENT)),
        Operation::OpenMissingLibrary | Operation::OpenMissingLibraryFlood => {
            expect(open(MISSING_LIBRARY) == Err(libc::ENOENT))
        }
        Operation::OpenExisting => {
            let file = open(TRUE);
            expect(file.is_ok())?;
            // SAFETY: a descriptor that was opened just now and is used nowhere else.
            expect(unsafe { libc::close(file.unwrap_or(-1)) } == 0)
        }
        Operation::ExecMissing => expect(exec(MISSING) == libc::ENOENT),
        Operation::Exec => spawn_and_wait(TRUE),
        // SAFETY: signal 0 only asks whether the process is there.
        Operation::KillZero => expect(unsafe { libc::kill(own, 0) } == 0),
        // SAFETY: `ignore_in_handler` was called before the first operation.
        Operation::KillHandled => expect(unsafe { libc::kill(own, libc::SIGUSR1) } == 0),
    }
}

fn expect(is_so: bool) -> Result<()> {
    if !is_so {
        bail!("unexpected result; the last error was {}", io::Error::last_os_error());
    }
    Ok(())
}

/// The descriptor or errno of an `openat` for reading.
pub(super) fn open(path: &CStr) -> Result<c_int, c_int> {
    // SAFETY: a NUL-terminated path that outlives the call.
    let file = unsafe { libc::openat(libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 { Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(file) }
}

/// The errno of an `execve` that must fail.
pub(super) fn exec(path: &CStr) -> c_int {
    let arguments: [*const c_char; 2] = [path.as_ptr(), ptr::null()];
    let environment: [*const c_char; 1] = [ptr::null()];
    // SAFETY: path, arguments and environment are NUL-terminated and outlive the call, as nothing is there to be run.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn spawn_and_wait(path: &CStr) -> Result<()> {
    let arguments: [*mut c_char; 2] = [path.as_ptr().cast_mut(), ptr::null_mut()];
    let environment: [*mut c_char; 1] = [ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: path, arguments and environment are NUL-terminated and outlive the call.
    let failed = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            ptr::null(),
            ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    if failed != 0 {
        bail!("cannot start {}: {}", path.to_string_lossy(), io::Error::from_raw_os_error(failed));
    }
    let mut status = 0;
    // SAFETY: waits for the child that was started just now.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    expect(waited == pid && status == 0).context("the child did not end in success")
}

/// SIGUSR1 gets a handler that does nothing.
pub(super) fn ignore_in_handler() -> Result<()> {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: the handler touches nothing, so it may run at any point.
    let old = unsafe { libc::signal(libc::SIGUSR1, nothing as *const () as libc::sighandler_t) };
    expect(old != libc::SIG_ERR)
}

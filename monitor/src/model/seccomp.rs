//! What a container's seccomp profile answers to the system calls that gomon watches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeccompAction {
    /// It fails with this errno, whatever its arguments.
    Errno(i32),
    /// SIGSYS ends the whole process.
    KillProcess,
    /// The calling thread vanishes; the others go on.
    KillThread,
    /// SIGSYS to a handler.
    Trap,
    /// It hangs on the arguments, or on what a monitor answers.
    Depends,
}

/// `linux.seccomp` of config.json, as far as calls are refused by it. Names as in syscalls(2); a call that is not in it is
/// allowed. Of all calls those of [`monitor_common::refused::WATCHED`], and execve and execveat.
pub type SeccompDenials = BTreeMap<String, SeccompAction>;

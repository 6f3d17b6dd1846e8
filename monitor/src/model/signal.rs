//! Signal numbers with the names of signal(7), x86-64 and arm64 numbering.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signal(pub i32);

impl Signal {
    pub const INT: Self = Self(2);
    pub const QUIT: Self = Self(3);
    pub const ABRT: Self = Self(6);
    pub const KILL: Self = Self(9);
    pub const SEGV: Self = Self(11);
    pub const TERM: Self = Self(15);
    pub const SYS: Self = Self(31);
}

const NAMES: [&str; 32] = [
    "0",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0).ok().filter(|&n| n > 0).and_then(|n| NAMES.get(n)) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// `si_code` of a signal from kill(2), sigaction(2).
pub const SI_USER: i32 = 0;
/// `si_code` of a signal that the kernel itself sent.
pub const SI_KERNEL: i32 = 128;
/// `si_code` of a signal from tgkill(2): a thread signalled itself or a sibling.
pub const SI_TKILL: i32 = -6;

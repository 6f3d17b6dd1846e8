//! Which signals the kernel side never passes on.

#![expect(clippy::inline_always, reason = "one comparison, in the hottest program")]

/// SIGKILL of signal(7).
pub const SIGKILL: i32 = 9;
/// What a seccomp filter ends a thread or a process with.
pub const SIGSYS: i32 = 31;
const SIGCHLD: i32 = 17;
const SIGURG: i32 = 23;

/// Everyday traffic: SIGURG preempts goroutines many times a second, SIGCHLD follows every child.
#[inline(always)]
#[must_use]
pub const fn is_noise(signal: i32) -> bool {
    matches!(signal, SIGCHLD | SIGURG)
}

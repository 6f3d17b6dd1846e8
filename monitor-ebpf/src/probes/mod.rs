//! Entry points, one file a kind of event: classify, emit, nothing else.

mod cgroup;
mod dlopen;
mod exec;
mod exit;
mod listen;
mod oom;
mod signal;
mod syscall;

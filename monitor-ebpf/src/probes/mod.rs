//! Entry points, one file a kind of event: classify, emit, nothing else.

mod cgroup;
mod exec;
mod exit;
mod oom;
mod signal;
mod syscall;

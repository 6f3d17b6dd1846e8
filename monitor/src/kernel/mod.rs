//! The rim towards the kernel: loads the programs, reads the rings, knows the cgroups.

pub mod cgroupfs;
pub mod clock;
pub mod counters;
mod fill;
pub mod hooks;
pub mod load;
mod object;
pub mod offsets;
pub mod programs;
pub mod rings;
pub mod self_test;
mod tracepoints;
pub mod uprobes;

pub use object::OBJECT;

//! The words of gomon: events, facts, observations and diagnoses as plain values. Pure; serialisable; no IO.

pub mod access;
pub mod binary;
pub mod container;
pub mod diagnosis;
pub mod errno;
pub mod event;
pub mod fact;
pub mod image;
pub mod incident;
pub mod living;
pub mod observation;
pub mod pem;
pub mod seccomp;
pub mod signal;
pub mod syscall;
pub mod text;
pub mod time;
pub mod workload;

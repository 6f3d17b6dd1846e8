//! The live ring: a real kernel, real containers and real Go programs, judged by the real `gomon`. Started by
//! `cargo xtask test --ring live`, which puts in place what it needs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "the helpers of tests fail like tests"
)]

mod commands;
mod confinement;
mod dlopen;
mod faults;
mod healthy;
mod hostile;
mod identity;
mod incidents;
mod kubernetes;
mod metrics;
mod otlp;
mod patterns;
mod probes;
mod prometheus;
mod runtimes;
mod storms;
mod support;
mod verifier;

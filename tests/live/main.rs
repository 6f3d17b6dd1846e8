//! The live ring: a real kernel, real containers and real Go programs, judged by the real `gomon`. Started by
//! `cargo xtask test --ring live`, which puts in place what it needs.

mod commands;
mod identity;
mod metrics;
mod patterns;
mod probes;
mod support;

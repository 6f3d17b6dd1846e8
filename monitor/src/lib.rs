//! gomon names why a Go container fails: the library behind the `gomon` binary.

pub mod attribution;
pub mod case;
pub mod cli;
pub mod command;
pub mod config;
pub mod decode;
pub mod engine;
pub mod inspect;
#[cfg(feature = "kernel")]
pub mod kernel;
pub mod ledger;
pub mod model;
pub mod nearest;
pub mod patterns;
pub mod report;
pub mod runtime;
pub mod sink;
pub mod when;

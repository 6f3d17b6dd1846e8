//! gomon names why a Go container fails: the library behind the `gomon` binary.

pub mod attribution;
pub mod case;
pub mod cli;
pub mod command;
pub mod config;
pub mod decode;
pub mod engine;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod inspect;
#[cfg(feature = "kernel")]
pub mod kernel;
pub mod ledger;
pub mod model;
pub mod nearest;
#[cfg(feature = "kernel")]
pub mod observer;
pub mod patterns;
#[cfg(feature = "kernel")]
pub mod pipeline;
pub mod recording;
pub mod report;
pub mod runtime;
pub mod sink;
pub mod when;

//! Where diagnoses go: metrics, the HTTP interface. Never decides what a diagnosis is.

pub mod http;
pub mod metrics;
pub mod seeing;
pub mod shared;

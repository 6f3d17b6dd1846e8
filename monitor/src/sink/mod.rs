//! Where diagnoses go: metrics, the HTTP interface. Never decides what a diagnosis is.

pub mod metrics;

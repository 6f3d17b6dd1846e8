//! Where diagnoses go: metrics, the HTTP interface, the store of incidents. Never decides what a diagnosis is.

pub mod http;
pub mod metrics;
pub mod outlet;
pub mod seeing;
pub mod shared;
pub mod store;

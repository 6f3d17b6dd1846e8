//! Where diagnoses go: metrics, the HTTP interface, the store of incidents, Kubernetes Events, log records for OpenTelemetry.
//! Never decides what a diagnosis is.

pub mod events;
pub mod http;
pub mod metrics;
pub mod otlp;
pub mod outlet;
pub mod seeing;
pub mod shared;
pub mod store;

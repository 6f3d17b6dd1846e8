//! What both sides of the ring agree on: wire records, and the kernel side's decisions as plain functions.
#![no_std]
#![forbid(unsafe_code)]

pub mod budget;
pub mod limits;
pub mod offsets;
pub mod path;
pub mod probe;
pub mod recent;
pub mod record;
pub mod refused;
pub mod signal;
pub mod tls;

//! The words of gomon: events, facts, observations and diagnoses as plain values. Pure; serialisable; no IO.

pub mod access;
pub mod binary;
pub mod container;
pub mod diagnosis;
pub mod errno;
pub mod event;
pub mod fact;
pub mod observation;
pub mod signal;
pub mod text;
pub mod time;

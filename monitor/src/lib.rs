//! gomon names why a Go container fails: the library behind the `gomon` binary.

pub mod case;
pub mod model;
pub mod patterns;
pub mod report;
pub mod sink;
pub mod when;

//! One run of a container as patterns see it: its timeline and its facts. Pure values.

/// One run of a container.
pub struct Case {}

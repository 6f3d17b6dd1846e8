//! The wall-clock budget of one inspection, as a value that is handed down.

use std::time::{Duration, Instant};

/// When an inspection has to end. Checked between steps: a step that has begun is finished.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The budget starts now.
    pub fn after(budget: Duration) -> Self {
        Self(Instant::now().checked_add(budget))
    }

    pub fn never() -> Self {
        Self(None)
    }

    pub(super) fn passed(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

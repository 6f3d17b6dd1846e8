//! Where sightings of diagnoses go once they have left the engine.

use super::metrics::Metrics;
use crate::model::incident::Sighting;

/// Why a sighting comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The diagnosis is new, or a name that came later tells whose it is.
    New,
    /// It occurred again.
    Again,
    /// The same occurrence is known better now, or another diagnosis of the container's is its cause or consequence.
    Revised,
}

/// Somebody who takes sightings on. Returns at once, and keeps no more than it has room for: what it must give up it counts.
pub trait Outlet: Send {
    fn take(&self, sighting: &Sighting, why: Why);

    /// Carries its own counts into the metrics; called about once a second.
    fn tell(&self, metrics: &Metrics);
}

//! Sightings for the tests of events. Pure values.

use crate::{
    model::{
        container::{CgroupId, ContainerId, Identity},
        diagnosis::{Conclusion, Diagnosis},
        incident::{Facts, Sighting},
        time::{BootNs, SECOND},
    },
    report::samples,
};

pub(super) fn identity() -> Identity {
    Identity { pod_uid: "6f0d7c1e-0000-4000-8000-000000000001".to_owned(), ..samples::identity() }
}

/// A sighting of the sample's `pattern` in the container `id`, which has occurred `count` times.
pub(super) fn seen(id: &str, pattern: &str, count: u64) -> Sighting {
    named(&identity(), id, pattern, count)
}

pub(super) fn named(identity: &Identity, id: &str, pattern: &str, count: u64) -> Sighting {
    let conclusion = Conclusion { identity: identity.clone(), ..samples::finding() };
    let diagnosis = Diagnosis {
        container: ContainerId(id.into()),
        pattern: pattern.to_owned(),
        count,
        first_seen: BootNs(SECOND),
        last_seen: BootNs(count * SECOND),
        ..samples::diagnosis()
    };
    Sighting::new(&conclusion, &diagnosis, Facts::default(), CgroupId(1), samples::EPOCH, "0")
}

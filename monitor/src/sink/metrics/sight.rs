//! What the metrics say of gomon's own sight, for people. Counts nothing.

use monitor_common::probe::Probe;
use prometheus::IntGaugeVec;

use super::{Dropped, Metrics};
use crate::{patterns::CATALOGUE, report::overview::Sight};

impl Metrics {
    /// What is not seen, and what was lost since the start.
    #[must_use]
    pub fn sight(&self) -> Sight {
        let is_off = |probe: &Probe| !probe.is_told_by_others() && !self.attached.contains(probe);
        let is_blind = |id: &&str| self.families.blind.with_label_values(&[*id]).get() > 0;
        let count = |what: &Dropped| self.families.dropped.with_label_values(&what.labels()).get();
        let store = |gauge: &IntGaugeVec| gauge.with_label_values::<&str>(&[]).get();
        let is_up = store(&self.families.store.up) > 0;
        Sight {
            unwritten: (!is_up).then(|| u64::try_from(store(&self.families.store.waiting)).unwrap_or(0)),
            detached: Probe::ALL.into_iter().filter(is_off).map(Probe::name).collect(),
            blind: CATALOGUE.iter().map(|pattern| pattern.id).filter(is_blind).collect(),
            lost: Dropped::ALL
                .iter()
                .map(|what| (what.labels(), count(what)))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

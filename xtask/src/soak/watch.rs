//! Collects what gomon says while the soak runs: all diagnoses of the soak's own containers, none of anybody else's.

use std::collections::BTreeMap;

use anyhow::Result;

use super::stage::Stage;
use crate::agent::{Agent, Diagnosis};

/// All diagnoses so far, by container, pattern and subject: the agent itself forgets the oldest.
#[derive(Default)]
pub(super) struct Watch {
    seen: BTreeMap<(String, String, String), Diagnosis>,
}

/// A diagnosis of one of the soak's containers.
pub(super) struct Found<'a> {
    pub(super) scene: &'static str,
    pub(super) diagnosis: &'a Diagnosis,
}

impl Watch {
    /// Asks the agent once.
    pub(super) fn look(&mut self, agent: &Agent) -> Result<()> {
        for diagnosis in agent.diagnoses()? {
            let Diagnosis { target, pattern, subject, .. } = &diagnosis;
            let key = (target.container_id.clone(), pattern.clone(), subject.clone());
            self.seen.insert(key, diagnosis);
        }
        Ok(())
    }

    /// A container's id may be known only after its first diagnosis: whose it is, is decided here.
    pub(super) fn found(&self, stage: &Stage) -> Vec<Found<'_>> {
        let scene = |one: &Diagnosis| stage.scene_of(&one.target.container_id);
        self.seen.values().filter_map(|one| Some(Found { scene: scene(one)?, diagnosis: one })).collect()
    }
}

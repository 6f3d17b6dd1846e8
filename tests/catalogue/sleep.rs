//! A machine that sleeps in the middle of a story: nobody could do anything then, so nobody is blamed for it.

use gomon::model::{
    diagnosis::Severity,
    observation::Observation,
    time::{BootNs, SECOND},
};

use crate::{
    moved,
    scenario::{all, diagnoses},
};

const HOUR: u64 = 3600 * SECOND;

/// The same story, in which the machine sleeps for an hour behind so many observations.
fn with_sleep(observations: &[Observation], after: usize) -> Vec<Observation> {
    let (before, behind) = observations.split_at(after);
    let fell_asleep = before.iter().map(Observation::at).max().unwrap_or_default();
    let slept = Observation::Slept { at: BootNs(fell_asleep.0 + HOUR), ns: HOUR };
    let behind = behind.iter().cloned().map(|observation| moved(observation, fell_asleep, HOUR, 0));
    before.iter().cloned().chain([slept]).chain(behind).collect()
}

#[test]
fn a_sleep_makes_no_diagnosis_and_none_more_severe() {
    let mut faults = Vec::new();
    for scenario in all() {
        let awake = diagnoses(&scenario.observations);
        let count = scenario.observations.len();
        // The first observation is about the host.
        for after in (1..count).step_by((count / 4).max(1)) {
            let asleep = diagnoses(&with_sleep(&scenario.observations, after));
            // What came an hour after its cause may be less sure to come from it.
            let is_known = |(pattern, severity): &&(String, Severity)| {
                awake.iter().any(|(known, most)| known == pattern && severity <= most)
            };
            let new: Vec<_> = asleep.iter().filter(|one| !is_known(one)).collect();
            if !new.is_empty() {
                faults.push(format!("{scenario}, asleep behind {after} of {count}: {new:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

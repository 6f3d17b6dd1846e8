//! Baseline, subject, baseline, subject, baseline: so that what the machine does besides falls on all alike.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::figures::Round;
use super::subject::{Lineup, Subject};
use crate::say;

/// The kernel takes a program off its hook some time after its last descriptor is closed.
pub(super) const SETTLE: Duration = Duration::from_millis(400);

/// A subject with the baselines around it.
#[derive(Debug)]
pub(super) struct Block<T> {
    pub(super) subject: Subject,
    pub(super) before: T,
    pub(super) beside: T,
    pub(super) after: T,
}

/// Measures with nothing attached, with a subject, with nothing, with the next one, and so on.
pub(super) fn interleave<T: Clone>(
    lineup: &Lineup,
    subjects: &[Subject],
    rounds: u32,
    mut measure: impl FnMut() -> Result<T>,
) -> Result<Vec<Block<T>>> {
    let mut blocks = Vec::new();
    for round in 0..rounds {
        say::progress(format_args!("round {} of {rounds}", round + 1));
        let mut before = measure()?;
        for subject in in_turn(subjects, round) {
            let attached = subject.attach(lineup)?;
            thread::sleep(SETTLE);
            let beside = measure()?;
            drop(attached);
            thread::sleep(SETTLE);
            let after = measure()?;
            blocks.push(Block { subject, before, beside, after: after.clone() });
            before = after;
        }
    }
    Ok(blocks)
}

/// One figure of all rounds of a subject.
pub(super) fn of<T>(blocks: &[Block<T>], subject: Subject, figure: impl Fn(&T) -> Option<f64>) -> Vec<Round> {
    let own = blocks.iter().filter(|block| block.subject == subject);
    own.filter_map(|Block { before, beside, after, .. }| {
        Some(Round { before: figure(before)?, subject: figure(beside)?, after: figure(after)? })
    })
    .collect()
}

/// Each round begins with another one, so that none always comes first.
fn in_turn(subjects: &[Subject], round: u32) -> impl Iterator<Item = Subject> {
    subjects.iter().copied().cycle().skip(round as usize).take(subjects.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_subject_is_measured_once_a_round_and_none_is_always_first() {
        let subjects = [Subject::Empty, Subject::Gomon, Subject::EmptyRawSysExit];
        let first: Vec<Subject> = (0..3).filter_map(|round| in_turn(&subjects, round).next()).collect();
        assert_eq!(first, subjects);
        let second: BTreeSet<Subject> = in_turn(&subjects, 1).collect();
        assert_eq!(second.len(), subjects.len());
    }
}

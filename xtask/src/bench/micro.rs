//! What each operation costs beside each subject, inside a container and on the host: short rounds, baseline, subject, baseline.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::figures::{Comparison, Round};
use super::operation::Operation;
use super::place::Place;
use super::subject::{Lineup, Subject};
use super::worker::{Price, Worker};
use crate::say;

/// Where the operations happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Where {
    Container,
    Host,
}

/// How long and how often.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Effort {
    pub(super) rounds: u32,
    /// For one operation at one place, once.
    pub(super) time: Duration,
}

/// One operation at one place beside one subject.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) subject: Subject,
    pub(super) place: Where,
    pub(super) operation: Operation,
    /// Medians of bursts, in nanoseconds.
    pub(super) comparison: Comparison,
    /// The fastest bursts of all rounds, subject minus baseline: the same question with the noise cut off.
    pub(super) best_difference: f64,
    pub(super) rounds: Vec<Round>,
}

/// Everything that was measured here.
#[derive(Debug, Serialize)]
pub(super) struct Micro {
    pub(super) effort: Effort,
    pub(super) cells: Vec<Cell>,
}

type Prices = BTreeMap<(Where, Operation), Price>;

/// A subject with the baselines around it.
struct Block {
    subject: Subject,
    before: Prices,
    beside: Prices,
    after: Prices,
}

/// The two workers.
struct Pair {
    container: Worker,
    host: Worker,
}

pub(super) fn measure(lineup: &Lineup, subjects: &[Subject], effort: Effort) -> Result<Micro> {
    let root = Place::root()?;
    let (container, host) = (root.container(1)?, root.host()?);
    let cpu = last_cpu();
    let mut pair = Pair {
        container: Worker::start(container.directory(), cpu)?,
        host: Worker::start(host.directory(), cpu)?,
    };
    let mut blocks = Vec::new();
    for round in 0..effort.rounds {
        say::progress(format_args!("round {} of {}", round + 1, effort.rounds));
        let mut before = pair.prices(effort.time)?;
        for subject in in_turn(subjects, round) {
            let attached = subject.attach(lineup)?;
            let beside = pair.prices(effort.time)?;
            drop(attached);
            let after = pair.prices(effort.time)?;
            blocks.push(Block { subject, before, beside, after: after.clone() });
            before = after;
        }
    }
    Ok(Micro { effort, cells: cells(subjects, &blocks) })
}

/// Each round begins with another one, so that none always comes first.
fn in_turn(subjects: &[Subject], round: u32) -> impl Iterator<Item = Subject> {
    subjects.iter().copied().cycle().skip(round as usize).take(subjects.len())
}

impl Pair {
    fn prices(&mut self, time: Duration) -> Result<Prices> {
        let mut prices = Prices::new();
        for operation in Operation::ALL {
            let time = time * operation.weight();
            prices.insert((Where::Container, operation), self.container.price(operation, time)?);
            prices.insert((Where::Host, operation), self.host.price(operation, time)?);
        }
        Ok(prices)
    }
}

fn cells(subjects: &[Subject], blocks: &[Block]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &subject in subjects {
        for place in [Where::Container, Where::Host] {
            for operation in Operation::ALL {
                let own: Vec<[Price; 3]> = blocks
                    .iter()
                    .filter(|block| block.subject == subject)
                    .filter_map(|block| {
                        let of = |prices: &Prices| prices.get(&(place, operation)).copied();
                        Some([of(&block.before)?, of(&block.beside)?, of(&block.after)?])
                    })
                    .collect();
                cells.push(cell(subject, place, operation, &own));
            }
        }
    }
    cells
}

fn cell(subject: Subject, place: Where, operation: Operation, prices: &[[Price; 3]]) -> Cell {
    let rounds: Vec<Round> = prices
        .iter()
        .map(|[before, beside, after]| Round {
            before: before.median,
            subject: beside.median,
            after: after.median,
        })
        .collect();
    let least = |of: fn(&[Price; 3]) -> f64| prices.iter().map(of).fold(f64::INFINITY, f64::min);
    let best_difference =
        least(|[_, beside, _]| beside.best) - least(|[before, _, after]| before.best.min(after.best));
    Cell { subject, place, operation, comparison: Comparison::of(&rounds), best_difference, rounds }
}

/// The first CPU does most of a machine's chores.
fn last_cpu() -> usize {
    std::thread::available_parallelism().map_or(0, |count| count.get() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_measured_once_a_round_and_none_is_always_first() {
        let subjects = [Subject::Empty, Subject::Gomon, Subject::EmptyRawSysExit];
        let first: Vec<Subject> = (0..3).filter_map(|round| in_turn(&subjects, round).next()).collect();
        assert_eq!(first, subjects);
        let mut second: Vec<Subject> = in_turn(&subjects, 1).collect();
        second.sort();
        assert_eq!(second.len(), 3);
        second.dedup();
        assert_eq!(second.len(), 3);
    }
}

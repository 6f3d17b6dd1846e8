//! What each operation costs beside each subject, inside a container and on the host.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::cpu::{self, Away};
use super::figures::{Comparison, Round};
use super::operation::Operation;
use super::place::Place;
use super::rounds::{self, Block};
use super::subject::{Lineup, Subject};
use super::worker::{Price, Worker};

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
    rounds: Vec<Round>,
}

/// Everything that was measured here.
#[derive(Debug, Serialize)]
pub(super) struct Micro {
    pub(super) effort: Effort,
    pub(super) cells: Vec<Cell>,
}

impl Micro {
    pub(super) fn cell(&self, subject: Subject, place: Where, operation: Operation) -> Option<&Cell> {
        let wanted = (subject, place, operation);
        self.cells.iter().find(|cell| (cell.subject, cell.place, cell.operation) == wanted)
    }
}

type Prices = BTreeMap<(Where, Operation), Price>;

pub(super) fn measure(lineup: &Lineup, subjects: &[Subject], effort: Effort) -> Result<Micro> {
    let root = Place::root()?;
    let (container, host) = (root.container(1)?, root.host()?);
    let mut workers = [
        (Where::Container, Worker::start(container.directory())?),
        (Where::Host, Worker::start(host.directory())?),
    ];
    let _away = Away::from(cpu::last()?)?;
    let blocks = rounds::interleave(lineup, subjects, effort.rounds, || {
        let mut prices = Prices::new();
        for operation in Operation::ALL {
            for (place, worker) in &mut workers {
                let price = worker.price(operation, effort.time * operation.weight())?;
                prices.insert((*place, operation), price);
            }
        }
        Ok(prices)
    })?;
    let mut cells = Vec::new();
    for &subject in subjects {
        for place in [Where::Container, Where::Host] {
            cells.extend(Operation::ALL.map(|operation| cell(&blocks, subject, place, operation)));
        }
    }
    Ok(Micro { effort, cells })
}

fn cell(blocks: &[Block<Prices>], subject: Subject, place: Where, operation: Operation) -> Cell {
    let of = |figure: fn(&Price) -> f64| {
        rounds::of(blocks, subject, |prices| prices.get(&(place, operation)).map(figure))
    };
    let rounds = of(|price| price.median);
    let best = of(|price| price.best);
    let least = |figure: fn(&Round) -> f64| best.iter().map(figure).fold(f64::INFINITY, f64::min);
    let best_difference = least(|round| round.subject) - least(|round| round.before.min(round.after));
    Cell { subject, place, operation, comparison: Comparison::of(&rounds), best_difference, rounds }
}

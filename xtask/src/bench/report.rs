//! The figures as tables in Markdown.

use std::fmt::{self, Write};

use serde::Serialize;

use super::machine::Machine;
use super::micro::{Cell, Micro, Where};
use super::operation::Operation;
use super::subject::{Lineup, Subject};
use crate::say;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) lineup: Lineup,
    pub(super) micro: Option<Micro>,
}

impl Results {
    pub(super) fn show(&self) {
        let mut page = String::new();
        // A string takes everything.
        let _ = self.write(&mut page);
        say::result(page);
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "{:?}\n", self.machine)?;
        if let Some(micro) = &self.micro {
            table(page, micro, Where::Container)?;
            table(page, micro, Where::Host)?;
        }
        Ok(())
    }
}

/// A row for each operation, a column for each subject.
fn table(page: &mut String, micro: &Micro, place: Where) -> fmt::Result {
    let mut subjects: Vec<Subject> = micro.cells.iter().map(|cell| cell.subject).collect();
    subjects.sort();
    subjects.dedup();
    write!(page, "### {place:?}\n\n| operation | nothing |")?;
    for subject in &subjects {
        write!(page, " {} |", subject.title())?;
    }
    writeln!(page, "\n|---|---|{}", "---|".repeat(subjects.len()))?;
    for operation in Operation::ALL {
        let of = |subject: Subject| {
            let wanted = (subject, place, operation);
            micro.cells.iter().find(|cell| (cell.subject, cell.place, cell.operation) == wanted)
        };
        let baseline = of(Subject::Gomon).map_or(0.0, |cell| cell.comparison.baseline.median);
        write!(page, "| {} | {baseline:.0} |", operation.title())?;
        for subject in &subjects {
            page.push_str(&of(*subject).map_or_else(|| " |".to_owned(), shown));
        }
        writeln!(page)?;
    }
    writeln!(page)
}

/// Difference, its middle half, the same from the fastest bursts, and the ratio.
fn shown(cell: &Cell) -> String {
    let difference = cell.comparison.difference;
    format!(
        " {:+.0} [{:+.0}, {:+.0}] best {:+.0}, x{:.2} |",
        difference.median,
        difference.low,
        difference.high,
        cell.best_difference,
        cell.comparison.ratio.median
    )
}

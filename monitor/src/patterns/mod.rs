//! The catalogue: one visible list of failure patterns. Pure functions over a case; no IO.

mod bad_shebang;
mod entrypoint_not_found;
mod exec_format;
mod exec_not_permitted;
mod memory;
mod missing_interpreter;
mod missing_library;
mod no_ca_certificates;
mod oom_kill;
mod permission;
mod sigterm_ignored;
mod start;
mod wording;
mod wrong_architecture;

use monitor_common::probe::Probe;

use crate::{
    case::Case,
    model::diagnosis::{Finding, Severity},
};

/// The facts that a pattern can rest on besides kernel events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// A probe must be attached and must not have lost events.
    Probe(Probe),
    /// The container's OCI configuration.
    Config,
    /// The file that the container starts with.
    Entrypoint,
    /// The container was seen from its birth.
    Birth,
}

/// A failure pattern: a value, not a type.
#[derive(Debug)]
pub struct Pattern {
    /// Its name in metrics, JSON and pages. Fixed.
    pub id: &'static str,
    /// The severity of its ordinary finding; a finding may lower or raise it.
    pub severity: Severity,
    /// One line: what failed.
    pub title: &'static str,
    /// What a user sees, with the real error texts. Markdown.
    pub symptom: &'static str,
    /// What gomon sees in the kernel and in the files. Markdown.
    pub evidence: &'static str,
    /// What looks alike and is healthy or another pattern, and how it is told apart. Markdown.
    pub look_alikes: &'static str,
    /// What to do. Markdown.
    pub remedy: &'static str,
    /// What the pattern cannot see. Markdown.
    pub limits: &'static str,
    /// Without these the answer is "cannot tell".
    pub needs: &'static [Need],
    /// The findings in one run of a container.
    pub matches: fn(&Case) -> Vec<Finding>,
}

/// All patterns, in the order of docs/patterns.md.
pub const CATALOGUE: &[Pattern] = &[
    missing_interpreter::PATTERN,
    entrypoint_not_found::PATTERN,
    wrong_architecture::PATTERN,
    exec_format::PATTERN,
    bad_shebang::PATTERN,
    exec_not_permitted::PATTERN,
    missing_library::PATTERN,
    no_ca_certificates::PATTERN,
    oom_kill::PATTERN,
    sigterm_ignored::PATTERN,
];

/// The pattern with this id.
pub fn find(id: &str) -> Option<&'static Pattern> {
    CATALOGUE.iter().find(|pattern| pattern.id == id)
}

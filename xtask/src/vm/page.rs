//! The results as a table on the terminal and as the page docs/kernels.md.

use std::time::Duration;

use super::kernels::{Expected, Kernel};
use super::verdict::{Finding, Subject};
use super::ways::{WAYS, Way};

/// What became of one kernel.
pub(super) struct Outcome {
    pub(super) kernel: &'static Kernel,
    pub(super) release: String,
    /// Those that were tried.
    pub(super) ways: Vec<&'static Way>,
    pub(super) findings: Vec<Finding>,
    /// Runs of kernel programs that the kernel left out.
    pub(super) skipped_runs: u64,
    /// Acts that were played again: gomon said that it could not have seen all.
    pub(super) repeats: usize,
    pub(super) took: Duration,
}

impl Outcome {
    pub(super) fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.fault.is_some())
    }

    /// How many of the findings about this subject are good, and how many there are.
    fn count(&self, subject: Subject) -> (usize, usize) {
        let of = self.findings.iter().filter(|finding| finding.subject == subject);
        of.fold((0, 0), |(good, all), finding| (good + usize::from(finding.fault.is_none()), all + 1))
    }
}

/// The lines of the terminal's table, header first.
pub(super) fn table(outcomes: &[Outcome]) -> Vec<String> {
    let header = format!(
        "{:<14} {:<30} {:<7} {:>7} {:>7} {:>10} {:>8} {:>6} {:>8}",
        "kernel", "release", "result", "hooks", "events", "diagnoses", "skipped", "again", "seconds"
    );
    let rows = outcomes.iter().map(|outcome| {
        let result = if outcome.faults().next().is_none() { "ok" } else { "FAILED" };
        format!(
            "{:<14} {:<30} {result:<7} {:>7} {:>7} {:>10} {:>8} {:>6} {:>8.1}",
            outcome.kernel.name,
            outcome.release,
            share(outcome, Subject::Hook),
            share(outcome, Subject::Event),
            share(outcome, Subject::Diagnosis),
            outcome.skipped_runs,
            outcome.repeats,
            outcome.took.as_secs_f64()
        )
    });
    std::iter::once(header).chain(rows).collect()
}

fn share(outcome: &Outcome, subject: Subject) -> String {
    match outcome.count(subject) {
        (_, 0) => "-".to_owned(),
        (good, all) => format!("{good}/{all}"),
    }
}

const INTRODUCTION: &str = "\
# Kernels

Written by `cargo xtask vm --all --write-docs`, which boots each of these kernels in QEMU and lets gomon watch real
containers there (runc, programs in Go): one that cannot start, one that runs, one that misses a library, one that runs
out of memory, one that is told to stop, one that refuses a TLS certificate, one that may not mount, two that a seccomp
filter stops, one that loads a library late.

- **hooks**: kernel programs that load and attach, as `gomon doctor` says; every hook of gomon's table, each way. One that a
  kernel is too old for does not count as missing. Under lockdown: those that are refused, from 5.13 on; before, they load and
  read nothing.
- **events**: each probe has one event caused, which must be seen exactly once, with the right members. Floods are left to
  the live tests: no emulated processor makes enough events.
- **diagnoses**: the right one for each container, with the right names, and none where nothing is wrong.
- **skipped runs**: how often the kernel left a program out on a CPU because another task had been preempted inside of it,
  over all ways of hooking, for the agent and for `gomon events` beside it. Kernels that preempt (PREEMPT_RT, and Debian's
  from 7.0 on) may do that; the emulated processor, on which a program takes very long, makes it frequent. gomon counts
  skipped runs as lost events: any of them may have been one.
- **again**: a container is run once more, three times at most, when something that it causes was not told and gomon itself
  says that it cannot have seen all: programs were skipped, or the time for inspecting the container ran out, which on the
  emulated processor it may. A wrong diagnosis stays a fault.

";

/// The page, from the results of all kernels.
pub(super) fn page(outcomes: &[Outcome]) -> String {
    let mut lines = vec![
        "| kernel | | cgroups | ways of hooking | hooks | events | diagnoses | skipped runs | again | result |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(outcomes.iter().map(row));
    if WAYS.len() > 1 {
        lines.extend([String::new(), "The ways of hooking:".to_owned(), String::new()]);
        lines.extend(WAYS.iter().map(|way| {
            let (major, minor) = way.since;
            format!("- `{}`, from Linux {major}.{minor}: {}", way.name, way.about)
        }));
    }
    format!("{INTRODUCTION}{}\n", lines.join("\n"))
}

fn row(outcome: &Outcome) -> String {
    let Kernel { about, cgroups, expected, .. } = outcome.kernel;
    let names: Vec<&str> = outcome.ways.iter().map(|way| way.name).collect();
    let result = match (outcome.faults().count(), expected) {
        (0, Expected::Sees) => "sees all".to_owned(),
        (0, Expected::LockedOut) => "`gomon doctor` names lockdown".to_owned(),
        (1, _) => "1 fault".to_owned(),
        (faults, _) => format!("{faults} faults"),
    };
    let [hooks, events, diagnoses] =
        [Subject::Hook, Subject::Event, Subject::Diagnosis].map(|subject| share(outcome, subject));
    format!(
        "| {} | {about} | {} | {} | {hooks} | {events} | {diagnoses} | {} | {} | {result} |",
        outcome.release,
        cgroups.name(),
        names.join(", "),
        outcome.skipped_runs,
        outcome.repeats
    )
}

#[cfg(test)]
mod tests {
    use super::super::kernels::KERNELS;
    use super::*;

    fn outcome(fault: Option<&str>) -> Outcome {
        let finding = |subject, fault: Option<&str>| Finding {
            subject,
            what: "x".to_owned(),
            fault: fault.map(str::to_owned),
        };
        Outcome {
            kernel: &KERNELS[0],
            release: "5.10.0-32-cloud-amd64".to_owned(),
            ways: WAYS.iter().take(1).collect(),
            findings: vec![finding(Subject::Event, None), finding(Subject::Event, fault)],
            skipped_runs: 7,
            repeats: 1,
            took: Duration::from_millis(17_250),
        }
    }

    #[test]
    fn a_fault_shows_in_the_table_and_on_the_page() {
        let lines = table(&[outcome(None), outcome(Some("not seen"))]);
        assert!(lines[1].contains(" ok ") && lines[1].contains("2/2"), "{}", lines[1]);
        assert!(lines[2].contains("FAILED") && lines[2].contains("1/2"), "{}", lines[2]);
        let page = page(&[outcome(Some("not seen"))]);
        assert!(
            page.contains("| 5.10.0-32-cloud-amd64 |")
                && page.contains("| 1/2 |")
                && page.contains("1 fault |")
                && page.contains("| auto |")
                && page.contains("| 7 | 1 |")
        );
    }
}

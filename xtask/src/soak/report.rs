//! What is printed at the end of the soak, and whether it failed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stage::Stage;
use super::watch::Found;
use crate::agent::{Account, Probe, plain};
use crate::say;
use crate::units::{mib, seconds};

/// Everything that was measured.
pub(super) struct Report<'a> {
    pub(super) stage: &'a Stage,
    pub(super) found: Vec<Found<'a>>,
    pub(super) left_out: Vec<&'static str>,
    pub(super) account: Account,
    pub(super) took: Duration,
    pub(super) resident_at_start: Option<f64>,
    pub(super) resident_at_end: Option<f64>,
    pub(super) peak: Option<f64>,
    pub(super) cpu_seconds: Option<f64>,
}

impl Report<'_> {
    /// Prints all of it; whether the soak passed.
    pub(super) fn show(&self) -> bool {
        say::result("");
        for (name, value) in self.rows() {
            say::result(format_args!("{name:<36} {value}"));
        }
        self.show_counts();
        for found in self.found.iter().filter(|found| found.diagnosis.is_harsh()) {
            show(found);
        }
        let failures = self.failures();
        say::result("");
        for failure in &failures {
            say::result(format_args!("FAILED: {failure}"));
        }
        if failures.is_empty() {
            say::result("nothing of severity warning or above, no event lost");
        }
        failures.is_empty()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let account = &self.account;
        let of = |what: fn(&Probe) -> u64| account.total(what).to_string();
        let submitted = |name| account.of(name).map_or(0, |probe| probe.submitted).to_string();
        let book = self.stage.book();
        let (least, most) =
            (book.played.values().min().unwrap_or(&0), book.played.values().max().unwrap_or(&0));
        let scenes = format!("{}, each played {least} to {most} times", book.played.len());
        let left_out = if self.left_out.is_empty() { "none".to_owned() } else { self.left_out.join("; ") };
        vec![
            ("minutes", format!("{:.1}", self.took.as_secs_f64() / 60.0)),
            ("scenes", scenes),
            ("scenes left out", left_out),
            ("containers run", book.own.len().to_string()),
            ("in all containers: execs", submitted("exec")),
            ("in all containers: failed execs", submitted("exec_failed")),
            ("events seen in the kernel", of(|probe| probe.seen)),
            ("  filtered there", of(|probe| probe.filtered)),
            ("  submitted", of(|probe| probe.submitted)),
            ("  lost", of(|probe| probe.lost)),
            ("  dropped by gomon", account.dropped.to_string()),
            ("  series refused by their limit", account.beyond_series.to_string()),
            ("  unattributed", account.unattributed.to_string()),
            ("CPU of the agent", self.cpu_seconds.map_or_else(String::new, |cpu| format!("{cpu:.1} s"))),
            ("resident memory at the start", mib(self.resident_at_start)),
            ("resident memory at the end", mib(self.resident_at_end)),
            ("resident memory at most", mib(self.peak)),
            ("took", seconds(self.took)),
        ]
    }

    fn show_counts(&self) {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for Found { diagnosis, .. } in &self.found {
            *counts.entry((&diagnosis.severity, &diagnosis.pattern)).or_default() += 1;
        }
        say::result("diagnoses");
        for ((severity, pattern), count) in &counts {
            say::result(format_args!("  {:<34} {count}", format!("{severity} {pattern}")));
        }
        if counts.is_empty() {
            say::result("  none");
        }
    }

    fn failures(&self) -> Vec<String> {
        let harsh = self.found.iter().filter(|found| found.diagnosis.is_harsh()).count();
        let mut failures = Vec::new();
        if harsh > 0 {
            failures.push(format!("{harsh} diagnoses of severity warning or above"));
        }
        let book = self.stage.book();
        failures.extend(book.mishaps.iter().map(|mishap| format!("not as planned: {mishap}")));
        if book.more_mishaps > 0 {
            failures.push(format!("and {} more scenes", book.more_mishaps));
        }
        failures.extend(self.account.complaints());
        failures
    }
}

fn show(found: &Found<'_>) {
    let Found { scene, diagnosis } = found;
    let target = &diagnosis.target;
    say::result("");
    say::result(format_args!("scene {scene}: {}", diagnosis.heading()));
    say::result(format_args!(
        "  container {} {} image {}, subject {}, {} times",
        plain(&target.name),
        plain(&target.container_id),
        plain(&target.image),
        plain(&diagnosis.subject),
        diagnosis.count
    ));
    for line in diagnosis.timed_details() {
        say::result(format_args!("  {line}"));
    }
}

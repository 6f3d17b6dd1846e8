//! The table at the end of the churn and the checks that decide its exit code.

use std::time::Duration;

use super::Options;
use super::latency::percentile;
use super::verdict::Verdict;
use crate::agent::{Account, Probe, Profile};
use crate::say;
use crate::units::{mib, seconds};

/// Everything that was measured.
pub(super) struct Report {
    pub(super) options: Options,
    pub(super) profile: Profile,
    /// By the container's name.
    pub(super) verdicts: Vec<(String, Verdict)>,
    /// Containers that were not run.
    pub(super) mishaps: Vec<String>,
    pub(super) account: Account,
    /// Sorted.
    pub(super) latencies: Vec<Duration>,
    /// Sorted.
    pub(super) scrapes: Vec<Duration>,
    /// Of the containers that ran side by side.
    pub(super) wall: Duration,
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: Option<f64>,
    pub(super) peak_bytes: Option<f64>,
    pub(super) ready_after: Duration,
}

impl Report {
    /// Prints the table and what failed; whether nothing did.
    pub(super) fn show(&self) -> bool {
        say::result("");
        for (name, value) in self.rows() {
            say::result(format_args!("{name:<44} {value}"));
        }
        let failures = self.failures();
        say::result("");
        for failure in &failures {
            say::result(format_args!("FAILED: {failure}"));
        }
        if failures.is_empty() {
            say::result("every container has exactly one diagnosis, the right one; no event was lost");
        }
        failures.is_empty()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let Options { containers, at_once, singles, runtimes, release: _ } = &self.options;
        let names: Vec<&str> = runtimes.iter().map(|runtime| runtime.name()).collect();
        let is = |kind: fn(&Verdict) -> bool| self.verdicts.iter().filter(|(_, one)| kind(one)).count();
        let account = &self.account;
        let of = |what: fn(&Probe) -> u64| account.total(what).to_string();
        vec![
            ("gomon", format!("{} profile", self.profile.name())),
            ("runtimes", names.join(", ")),
            ("containers", format!("{containers}, {at_once} at a time; {singles} alone before")),
            ("  right", is(|one| *one == Verdict::Right).to_string()),
            ("  wrong", is(|one| matches!(one, Verdict::Wrong(_))).to_string()),
            ("  missing", is(|one| *one == Verdict::Missing).to_string()),
            ("  not run", self.mishaps.len().to_string()),
            ("events seen in the kernel", of(|probe| probe.seen)),
            ("  filtered there", of(|probe| probe.filtered)),
            ("  submitted", of(|probe| probe.submitted)),
            ("  lost", of(|probe| probe.lost)),
            ("  dropped by gomon", account.dropped.to_string()),
            ("  unattributed", account.unattributed.to_string()),
            ("failing execve to the scrape that shows it", spread(&self.latencies)),
            ("  one scrape takes", spread(&self.scrapes)),
            ("from start to ready", seconds(self.ready_after)),
            ("the containers side by side took", seconds(self.wall)),
            ("  CPU of the agent meanwhile", format!("{:.2} s", self.cpu_seconds)),
            ("  resident memory after", mib(self.resident_bytes)),
            ("  resident memory at most", mib(self.peak_bytes)),
        ]
    }

    fn failures(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .verdicts
            .iter()
            .filter_map(|(name, verdict)| match verdict {
                Verdict::Right => None,
                Verdict::Wrong(what) => Some(format!("{name}: {what}")),
                Verdict::Missing => Some(format!("{name} has no diagnosis")),
            })
            .collect();
        found.extend(self.mishaps.iter().cloned());
        found.extend(self.account.complaints());
        if self.account.beyond_series > 0 {
            found.push("there were more series than the agent was allowed".to_owned());
        }
        found
    }
}

fn spread(sorted: &[Duration]) -> String {
    let ms = |percent| format!("{:.1} ms", percentile(sorted, percent).as_secs_f64() * 1e3);
    format!("p50 {}, p99 {}, max {}", ms(50), ms(99), ms(100))
}

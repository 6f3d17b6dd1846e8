//! What an agent's own counters say: how many events were seen, filtered, submitted, lost, and whether that adds up.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::{Agent, Metrics};
use crate::process;

/// The agent takes over the kernel's counters once a second.
const SETTLE: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// The counters of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) name: String,
    pub(crate) seen: u64,
    pub(crate) filtered: u64,
    pub(crate) submitted: u64,
    pub(crate) lost: u64,
    /// By user space.
    pub(crate) received: u64,
}

impl Probe {
    fn adds_up(&self) -> bool {
        self.seen == self.filtered + self.submitted + self.lost
    }
}

/// All of an agent's counters about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) probes: Vec<Probe>,
    /// Probes whose counters were never seen to add up.
    pub(crate) unbalanced: Vec<String>,
    pub(crate) unattributed: u64,
    /// Events that gomon itself gave up.
    pub(crate) dropped: u64,
    /// Writes to series that did not exist and could not be created: there were as many as there may be.
    pub(crate) beyond_series: u64,
}

impl Account {
    /// Asks until the counters of every probe were seen to add up: while events happen, one is read before the other.
    pub(crate) fn settled(agent: &Agent) -> Result<Self> {
        let mut balanced = BTreeSet::new();
        let mut answer = Ok(Self::default());
        process::poll(SETTLE, ASK_AGAIN, || {
            answer = agent.metrics().map(|metrics| Self::read(&metrics));
            let Ok(account) = &mut answer else { return false };
            let fit = account.probes.iter().filter(|probe| probe.adds_up());
            balanced.extend(fit.map(|probe| probe.name.clone()));
            let names = account.probes.iter().map(|probe| &probe.name);
            account.unbalanced = names.filter(|name| !balanced.contains(*name)).cloned().collect();
            !account.probes.is_empty() && account.unbalanced.is_empty()
        });
        answer
    }

    pub(crate) fn read(metrics: &Metrics) -> Self {
        const EVENTS: &str = "gomon_bpf_events_total";
        const DROPPED: &str = "gomon_events_dropped_total";
        let names: BTreeSet<&str> =
            metrics.samples(EVENTS).filter_map(|sample| sample.label("probe")).collect();
        let probe = |name: &&str| {
            let of = |result: &str| metrics.count(EVENTS, &[("probe", name), ("result", result)]);
            let all = metrics.samples(EVENTS).filter(|sample| sample.has("probe", name));
            let lost = all
                .filter(|sample| sample.label("result").is_some_and(|result| result.starts_with("lost")))
                .map(|sample| sample.count())
                .sum();
            Probe {
                name: (*name).to_owned(),
                seen: of("seen"),
                filtered: of("filtered"),
                submitted: of("submitted"),
                lost,
                received: metrics.count("gomon_events_received_total", &[("probe", name)]),
            }
        };
        let of_stage = |stage| metrics.count(DROPPED, &[("stage", stage)]);
        let beyond_series = of_stage("metrics");
        Self {
            probes: names.iter().map(probe).collect(),
            unbalanced: Vec::new(),
            unattributed: metrics.count("gomon_events_unattributed_total", &[]),
            // What the kernel side lost is told by the probes.
            dropped: metrics.count(DROPPED, &[]) - beyond_series - of_stage("kernel"),
            beyond_series,
        }
    }

    pub(crate) fn total(&self, of: fn(&Probe) -> u64) -> u64 {
        self.probes.iter().map(of).sum()
    }

    pub(crate) fn of(&self, name: &str) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.name == name)
    }

    /// What is not as it must be, a sentence for each.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        let lost = self.total(|probe| probe.lost);
        if lost > 0 {
            found.push(format!("{lost} events were lost in the kernel"));
        }
        if self.dropped > 0 {
            found.push(format!("{} events were dropped by gomon", self.dropped));
        }
        if self.unattributed > 0 {
            found.push(format!("{} events have no container", self.unattributed));
        }
        let unbalanced = self.probes.iter().filter(|probe| self.unbalanced.contains(&probe.name));
        found.extend(unbalanced.map(|probe| {
            let Probe { name, seen, filtered, submitted, lost, received: _ } = probe;
            format!("{name}: {seen} seen is not {filtered} filtered + {submitted} submitted + {lost} lost")
        }));
        if self.probes.is_empty() {
            found.push("the agent has no counters of its probes".to_owned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_loss_is_a_complaint() {
        let page = |lost: u64, unattributed: u64| {
            Metrics::new(format!(
                "gomon_bpf_events_total{{probe=\"exec\",result=\"filtered\"}} 2\n\
                gomon_bpf_events_total{{probe=\"exec\",result=\"lost_ring_full\"}} {lost}\n\
                gomon_bpf_events_total{{probe=\"exec\",result=\"lost_unreadable\"}} 0\n\
                gomon_bpf_events_total{{probe=\"exec\",result=\"seen\"}} 7\n\
                gomon_bpf_events_total{{probe=\"exec\",result=\"submitted\"}} 5\n\
                gomon_events_received_total{{probe=\"exec\"}} 5\n\
                gomon_events_dropped_total{{stage=\"metrics\",reason=\"max_series\"}} 9\n\
                gomon_events_dropped_total{{stage=\"kernel\",reason=\"ring_full\"}} {lost}\n\
                gomon_events_unattributed_total{{reason=\"gone\"}} {unattributed}\n"
            ))
        };
        let healthy = Account::read(&page(0, 0));
        assert!(healthy.complaints().is_empty() && healthy.probes[0].adds_up());
        assert_eq!((healthy.dropped, healthy.beyond_series), (0, 9));
        assert_eq!(healthy.of("exec").unwrap().received, 5);
        let broken = Account::read(&page(1, 3));
        assert!(!broken.probes[0].adds_up());
        assert_eq!(broken.complaints().len(), 2);
    }
}

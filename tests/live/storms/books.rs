//! The agent's books: what became of every event, in the kernel and behind it.

use std::collections::BTreeSet;

use super::wait;
use crate::support::{Agent, Series};

const LOSSES: [&str; 3] = ["lost_flood", "lost_ring_full", "lost_unreadable"];

/// The books when they were last seen.
pub(super) struct Books(Series);

impl Books {
    /// Waits until they balance to the last event. Somewhere on the machine there is always something under way, so each
    /// probe has its own moment.
    pub(super) fn balance(agent: &Agent) -> Self {
        let mut open = Self(agent.metrics()).probes();
        assert!(open.len() > 10, "{open:?}");
        let mut is_all_placed = false;
        let mut state = String::new();
        let balanced = crate::support::wait_up_to(super::PATIENCE, || {
            let books = Self(agent.metrics());
            open.retain(|probe| !books.balances(probe));
            is_all_placed |= books.is_all_placed();
            state = open.iter().map(|probe| books.account(probe)).collect::<Vec<_>>().join("\n");
            (open.is_empty() && is_all_placed).then_some(books)
        });
        balanced.unwrap_or_else(|| panic!("the books do not balance; all placed: {is_all_placed}\n{state}"))
    }

    fn probes(&self) -> BTreeSet<String> {
        let of_events = self.0.of("gomon_bpf_events_total", &[("result", "seen")]);
        of_events.map(|(labels, _)| labels["probe"].clone()).collect()
    }

    /// What the kernel side says became of a probe's events.
    pub(super) fn of(&self, probe: &str, result: &str) -> f64 {
        let labels = [("probe", probe), ("result", result)];
        self.0.sum("gomon_bpf_events_total", &labels).expect("there is a counter for each")
    }

    fn received(&self, probe: &str) -> f64 {
        self.0.sum("gomon_events_received_total", &[("probe", probe)]).expect("there is a counter for each")
    }

    fn lost(&self, probe: &str) -> f64 {
        LOSSES.iter().map(|loss| self.of(probe, loss)).sum()
    }

    /// Nothing is left over on either side of the rings. Counters below 2^53 are exact.
    #[expect(clippy::float_cmp, reason = "whole numbers")]
    fn balances(&self, probe: &str) -> bool {
        let told = self.of(probe, "filtered") + self.of(probe, "submitted") + self.lost(probe);
        self.of(probe, "seen") == told && self.of(probe, "submitted") == self.received(probe)
    }

    /// What was received has its place, or the reason why it has none.
    #[expect(clippy::float_cmp, reason = "whole numbers")]
    fn is_all_placed(&self) -> bool {
        let sum = |name| self.0.sum(name, &[]).unwrap_or_default();
        let placed = sum("gomon_event_latency_seconds_count")
            + sum("gomon_events_unattributed_total")
            + sum("gomon_events_set_aside_total")
            + sum("gomon_events_waiting");
        sum("gomon_events_received_total") == placed
    }

    fn account(&self, probe: &str) -> String {
        let [seen, filtered, submitted] =
            ["seen", "filtered", "submitted"].map(|result| self.of(probe, result));
        let (lost, received) = (self.lost(probe), self.received(probe));
        format!(
            "{probe}: seen {seen}, filtered {filtered}, submitted {submitted}, lost {lost}, received {received}"
        )
    }

    /// All losses, in a line.
    pub(super) fn losses(&self) -> String {
        let each = self
            .probes()
            .into_iter()
            .flat_map(|probe| LOSSES.map(|loss| (format!("{probe} {loss}"), self.of(&probe, loss))));
        let some: Vec<String> =
            each.filter(|(_, count)| *count > 0.0).map(|(name, count)| format!("{name} {count}")).collect();
        if some.is_empty() { "nothing lost".to_owned() } else { some.join(", ") }
    }
}

/// Waits until the agent has told of events that were kept back.
pub(super) fn flood_is_told(agent: &Agent) {
    let dropped = [("stage", "kernel"), ("reason", "flood")];
    wait("the flood to be told", || {
        let told = agent.metrics().sum("gomon_events_dropped_total", &dropped).unwrap_or_default();
        (told > 0.0).then_some(())
    });
}

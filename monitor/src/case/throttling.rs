//! Whether a CPU quota runs out all the time, and since when: looks at `cpu.stat` become episodes. Pure.

use std::collections::VecDeque;

use crate::model::{
    living::CpuStat,
    time::{BootNs, SECOND},
};

/// It shows over looks that lie this far apart: four of them, each ten seconds after the one before, and each of them a
/// little late.
const SPAN_NS: u64 = 29 * SECOND;
/// A container that hardly runs says nothing: periods with something to run between two looks, of about 100.
const FEWEST_PERIODS: u64 = 10;
/// An episode begins where each look finds more than the first share since the one before, so that a burst is none. It ends
/// where all of them together find less than the second: around one limit it would begin again and again. In hundredths.
const BEGINS_ABOVE: u64 = 25;
const ENDS_BELOW: u64 = 10;

/// A time in which the quota ran out in a large share of the periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttling {
    /// The look that it began with.
    pub since: BootNs,
    /// The look that showed it.
    pub until: BootNs,
    /// What happened between the two.
    pub stat: CpuStat,
}

/// The episode that goes on after the latest look; one that was known stays as it was found.
pub(super) fn follow(known: Option<Throttling>, looks: &VecDeque<(BootNs, CpuStat)>) -> Option<Throttling> {
    let Some((until, last)) = looks.back().copied() else { return known };
    let Some(first_at) = looks.iter().rposition(|(at, _)| until.since(*at) >= SPAN_NS) else { return known };
    let (since, first) = *looks.get(first_at)?;
    let stat = difference(first, last)?;
    if known.is_some() {
        return known.filter(|_| exceeds(stat, ENDS_BELOW));
    }
    let steps = looks.iter().skip(first_at).zip(looks.iter().skip(first_at + 1));
    let runs_out = |step: CpuStat| step.periods >= FEWEST_PERIODS && exceeds(step, BEGINS_ABOVE);
    let is_steady =
        steps.map(|((_, from), (_, to))| difference(*from, *to)).all(|step| step.is_some_and(runs_out));
    is_steady.then_some(Throttling { since, until, stat })
}

fn exceeds(stat: CpuStat, percent: u64) -> bool {
    stat.throttled.saturating_mul(100) > stat.periods.saturating_mul(percent)
}

/// What was counted between two looks; `None` if the counters began anew.
fn difference(first: CpuStat, last: CpuStat) -> Option<CpuStat> {
    Some(CpuStat {
        periods: last.periods.checked_sub(first.periods)?,
        throttled: last.throttled.checked_sub(first.throttled)?,
        throttled_us: last.throttled_us.checked_sub(first.throttled_us)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every ten seconds, each with the counters' growth since the one before.
    fn episodes(growth: &[(u64, u64)]) -> Vec<Option<u64>> {
        let (mut looks, mut known, mut all) = (VecDeque::new(), None, Vec::new());
        let (mut at, mut stat) = (BootNs(0), CpuStat::default());
        for (periods, throttled) in growth {
            at = at.later(10 * SECOND);
            stat.periods += periods;
            stat.throttled += throttled;
            looks.push_back((at, stat));
            known = follow(known, &looks);
            all.push(known.map(|episode: Throttling| episode.since.0 / SECOND));
        }
        all
    }

    #[test]
    fn an_episode_takes_half_a_minute_to_show_and_keeps_its_beginning() {
        let steady = [(100, 90); 6];
        assert_eq!(episodes(&steady), [None, None, None, Some(10), Some(10), Some(10)]);
    }

    #[test]
    fn a_short_burst_and_an_idle_container_are_none() {
        assert_eq!(episodes(&[(100, 0), (100, 60), (100, 0), (100, 0)])[3], None);
        assert_eq!(
            episodes(&[(0, 0), (33, 31), (0, 0), (1, 0)])[3],
            None,
            "nearly all of its periods, for 3 seconds"
        );
        assert_eq!(episodes(&[(0, 0), (5, 5), (5, 5), (5, 5)])[3], None);
    }

    #[test]
    fn an_episode_ends_when_the_quota_suffices_again_and_not_around_the_limit() {
        let growth = [
            (0, 0),
            (100, 90),
            (100, 90),
            (100, 90),
            (100, 20),
            (100, 20),
            (100, 20),
            (100, 0),
            (100, 0),
            (100, 0),
        ];
        let seen = episodes(&growth);
        assert_eq!(seen[6], Some(10), "still at a fifth");
        assert_eq!(seen[9], None);
    }
}

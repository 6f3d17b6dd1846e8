//! Whether an event of a cgroup may go to user space, or is part of a flood that would cost others their events.

use aya_ebpf::{macros::map, maps::LruHashMap};
use monitor_common::{
    budget::{Admission, Budget, allowance},
    limits::MAX_BUDGETS,
    probe::Probe,
};

use crate::ring::Lane;

/// What each cgroup has used, by cgroup, probe and lane.
#[map]
static BUDGETS: LruHashMap<Key, Budget> = LruHashMap::with_max_entries(MAX_BUDGETS, 0);

/// A cgroup's id, and a probe's number and a lane's in one word.
type Key = [u64; 2];

#[inline(always)]
pub(crate) fn admit(cgroup: u64, probe: Probe, lane: Lane, boot_ns: u64, is_crowded: bool) -> Admission {
    let key: Key = [cgroup, u64::from(probe as u32) << 1 | lane as u64];
    let Some(budget) = BUDGETS.get_ptr_mut(key) else {
        let mut budget = Budget::default();
        let admission = budget.admit(boot_ns, is_crowded, allowance(probe));
        // A full map evicts; failing that the event is passed on unaccounted.
        let _ = BUDGETS.insert(key, budget, 0);
        return admission;
    };
    // SAFETY: memory of the map; other CPUs may write it at once, which `Budget::admit` allows for.
    unsafe { (*budget).admit(boot_ns, is_crowded, allowance(probe)) }
}

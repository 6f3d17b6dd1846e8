//! Whether an event of a cgroup may go to user space, or is part of a flood that would cost others their events.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::map, maps::LruHashMap};
use monitor_common::{
    budget::{Admission, Budget, allowance, one_makers},
    limits::MAX_BUDGETS,
    probe::Probe,
};

use crate::{cgroup, ring::Lane};

/// What each cgroup, and each process that makes cgroups, has used, by payer, probe and lane.
#[map]
static BUDGETS: LruHashMap<Key, Budget> = LruHashMap::with_max_entries(MAX_BUDGETS, 0);

/// Who pays, and a probe's number and a lane's in one word.
type Key = [u64; 2];

/// Tells the number of a process from the id of a cgroup: no kernel counts cgroups that far.
const PROCESS: u64 = 1 << 63;

/// At whose cost an event goes out.
#[derive(Clone, Copy)]
pub(crate) enum Payer {
    Cgroup(u64),
    /// A process of that cgroup, and then the cgroup: one process must not cost the others of its cgroup theirs.
    Process {
        pid: u64,
        cgroup: u64,
    },
}

impl Payer {
    /// The current process.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        Self::Process { pid: bpf_get_current_pid_tgid() >> 32, cgroup: cgroup::current() }
    }

    #[inline(always)]
    pub(crate) fn cgroup(self) -> u64 {
        match self {
            Self::Cgroup(cgroup) | Self::Process { cgroup, .. } => cgroup,
        }
    }
}

#[inline(always)]
pub(crate) fn admit(payer: Payer, probe: Probe, lane: Lane, boot_ns: u64, is_crowded: bool) -> Admission {
    let which = u64::from(probe as u32) << 1 | lane as u64;
    if let Payer::Process { pid, .. } = payer {
        let own =
            charge([PROCESS | pid, which], |budget| budget.admit(boot_ns, false, one_makers(is_crowded)));
        if own != Admission::Granted {
            return charge([payer.cgroup(), which], |budget| budget.keep_back(boot_ns));
        }
    }
    charge([payer.cgroup(), which], |budget| budget.admit(boot_ns, is_crowded, allowance(probe)))
}

#[inline(always)]
fn charge(key: Key, with: impl FnOnce(&mut Budget) -> Admission) -> Admission {
    let Some(budget) = BUDGETS.get_ptr_mut(key) else {
        let mut budget = Budget::default();
        let admission = with(&mut budget);
        // A full map evicts; failing that the event is passed on unaccounted.
        let _ = BUDGETS.insert(key, budget, 0);
        return admission;
    };
    // SAFETY: memory of the map; other CPUs may write it at once, which `Budget` allows for.
    with(unsafe { &mut *budget })
}

//! How many events one cgroup may send to user space: what one container does must not cost the others their events.

use crate::probe::Probe;

/// Time is cut into windows of 2^28 ns, 268 ms.
const WINDOW_SHIFT: u32 = 28;

/// What one cgroup has used of one probe's allowance; the value of a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Budget {
    /// The window that `used` is about.
    pub window: u64,
    pub used: u64,
    /// The last window in which user space was told of a flood.
    pub told_window: u64,
    /// Events kept back since the cgroup is known. CPUs that count at once may miss a few of each other's; the
    /// probe's own counters are exact.
    pub kept_back: u64,
}

/// Whether an event may go to user space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Granted,
    /// The first one of its window that is kept back: user space is told.
    FloodBegins,
    KeptBack,
}

/// Events of one cgroup and probe in one window that are passed on.
///
/// 4,096 are 15,000 a second: more than a program makes that does anything else, and less than the agent takes in. A
/// cgroup is dear for the agent, and nobody makes a thousand of them a second for containers.
#[must_use]
pub const fn allowance(probe: Probe) -> u64 {
    match probe {
        Probe::CgroupMade | Probe::CgroupRemoved => 256,
        Probe::ExecFailed
        | Probe::Exec
        | Probe::Open
        | Probe::OomKill
        | Probe::SignalSent
        | Probe::SignalDelivered
        | Probe::Exit
        | Probe::TlsAlert
        | Probe::SyscallRefused
        | Probe::Listening
        | Probe::DlopenFailed
        | Probe::Flood
        | Probe::SelfTest => 4_096,
    }
}

/// Of those, how many may still enter a ring that is half full: the rest of it is for the others.
pub const MODEST: u64 = 64;

/// How many cgroups one process may make, and remove, in a window at the cost of its own cgroup: a quarter of what the cgroup
/// has, so that the others there have theirs.
#[must_use]
pub const fn one_makers(is_crowded: bool) -> u64 {
    if is_crowded { MODEST / 4 } else { allowance(Probe::CgroupMade) / 4 }
}

/// Probes whose events are never kept back: so rare that none can be spared.
#[must_use]
pub const fn is_exempt(probe: Probe) -> bool {
    matches!(probe, Probe::OomKill | Probe::Flood | Probe::SelfTest)
}

impl Budget {
    /// Takes one event into account. `is_crowded`: the ring is more than half full.
    ///
    /// Two CPUs may do this at once and grant a few events too many: it is a brake, not a ledger.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of a kernel program")]
    pub fn admit(&mut self, boot_ns: u64, is_crowded: bool, allowance: u64) -> Admission {
        let window = window_of(boot_ns);
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
        self.used += 1;
        if self.used <= if is_crowded { MODEST } else { allowance } {
            return Admission::Granted;
        }
        self.keep_back(boot_ns)
    }

    /// Takes an event into account that is kept back whatever is left: it uses nothing up.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "part of a kernel program")]
    pub fn keep_back(&mut self, boot_ns: u64) -> Admission {
        let window = window_of(boot_ns);
        self.kept_back += 1;
        if self.told_window == window {
            return Admission::KeptBack;
        }
        self.told_window = window;
        Admission::FloodBegins
    }
}

/// The first window is not 0, so that a new budget has told nothing.
const fn window_of(boot_ns: u64) -> u64 {
    (boot_ns >> WINDOW_SHIFT) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_NS: u64 = 1 << WINDOW_SHIFT;
    const ALLOWANCE: u64 = allowance(Probe::Open);

    fn spend(budget: &mut Budget, at: u64, count: u64, is_crowded: bool) -> [u64; 3] {
        let mut sums = [0; 3];
        for _ in 0..count {
            sums[budget.admit(at, is_crowded, ALLOWANCE) as usize] += 1;
        }
        sums
    }

    #[test]
    fn a_flood_is_told_once_a_window_and_the_next_window_starts_afresh() {
        let mut budget = Budget::default();
        assert_eq!(spend(&mut budget, 0, ALLOWANCE + 10, false), [ALLOWANCE, 1, 9]);
        assert_eq!(spend(&mut budget, WINDOW_NS, 10, false), [10, 0, 0]);
        assert_eq!(spend(&mut budget, 2 * WINDOW_NS, ALLOWANCE + 2, false), [ALLOWANCE, 1, 1]);
        assert_eq!(budget.kept_back, 12);
    }

    #[test]
    fn what_is_kept_back_for_another_reason_uses_nothing_up_and_is_told_once_a_window() {
        let mut budget = Budget::default();
        assert_eq!(budget.keep_back(0), Admission::FloodBegins);
        assert_eq!(budget.keep_back(1), Admission::KeptBack);
        assert_eq!(spend(&mut budget, 2, ALLOWANCE + 1, false), [ALLOWANCE, 0, 1]);
        assert_eq!((budget.kept_back, budget.keep_back(WINDOW_NS)), (3, Admission::FloodBegins));
    }

    #[test]
    fn in_a_crowded_ring_only_the_modest_are_heard_and_only_while_it_is_crowded() {
        let mut loud = Budget::default();
        assert_eq!(spend(&mut loud, WINDOW_NS, 1_000, false), [1_000, 0, 0]);
        assert_eq!(spend(&mut loud, WINDOW_NS, 10, true), [0, 1, 9]);
        assert_eq!(spend(&mut loud, WINDOW_NS, 10, false), [10, 0, 0]);
        let mut modest = Budget::default();
        assert_eq!(spend(&mut modest, WINDOW_NS, MODEST, true), [MODEST, 0, 0]);
    }
}

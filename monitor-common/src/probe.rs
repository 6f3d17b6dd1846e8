//! The probes and what is counted for each of them.

/// One kind of kernel event. The number is the index into the counters and the kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Probe {
    ExecFailed = 0,
    Exec = 1,
    Open = 2,
    OomKill = 3,
    SignalSent = 4,
    SignalDelivered = 5,
    Exit = 6,
    CgroupMade = 7,
    CgroupRemoved = 8,
    TlsAlert = 9,
    Flood = 10,
    SyscallRefused = 11,
    Listening = 12,
    DlopenFailed = 13,
    /// A call of gomon's own, to see whether it sees. About no container.
    SelfTest = 14,
}

impl Probe {
    /// All probes in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::ExecFailed,
        Self::Exec,
        Self::Open,
        Self::OomKill,
        Self::SignalSent,
        Self::SignalDelivered,
        Self::Exit,
        Self::CgroupMade,
        Self::CgroupRemoved,
        Self::TlsAlert,
        Self::Flood,
        Self::SyscallRefused,
        Self::Listening,
        Self::DlopenFailed,
        Self::SelfTest,
    ];

    /// The name in metrics, recordings and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExecFailed => "exec_failed",
            Self::Exec => "exec",
            Self::Open => "open",
            Self::OomKill => "oom_kill",
            Self::SignalSent => "signal_sent",
            Self::SignalDelivered => "signal_delivered",
            Self::Exit => "exit",
            Self::CgroupMade => "cgroup_made",
            Self::CgroupRemoved => "cgroup_removed",
            Self::TlsAlert => "tls_alert",
            Self::Flood => "flood",
            Self::SyscallRefused => "syscall_refused",
            Self::Listening => "listening",
            Self::DlopenFailed => "dlopen_failed",
            Self::SelfTest => "self_test",
        }
    }

    /// Told by the programs of other probes: it has no hook of its own.
    #[must_use]
    pub const fn is_told_by_others(self) -> bool {
        matches!(self, Self::Flood | Self::SelfTest)
    }

    /// The probe whose number is `kind`.
    #[must_use]
    pub fn from_kind(kind: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(kind).ok()?).copied()
    }
}

/// What became of an event in the kernel. `seen = filtered + submitted + lost`, summed over CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Tally {
    /// The hook fired for an event of this probe.
    Seen = 0,
    /// Decided in the kernel that user space need not see it.
    Filtered = 1,
    /// Handed to a ring.
    Submitted = 2,
    /// The ring was full.
    LostRingFull = 3,
    /// Its memory could not be read.
    LostUnreadable = 4,
    /// Its cgroup had used up its [budget](crate::budget).
    LostFlood = 5,
}

impl Tally {
    /// All tallies in the order of their numbers.
    pub const ALL: [Self; TALLIES] = [
        Self::Seen,
        Self::Filtered,
        Self::Submitted,
        Self::LostRingFull,
        Self::LostUnreadable,
        Self::LostFlood,
    ];

    /// Those that an event is lost by.
    pub const LOSSES: [Self; 3] = [Self::LostRingFull, Self::LostUnreadable, Self::LostFlood];

    /// The value of the metric label `result`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Filtered => "filtered",
            Self::Submitted => "submitted",
            Self::LostRingFull => "lost_ring_full",
            Self::LostUnreadable => "lost_unreadable",
            Self::LostFlood => "lost_flood",
        }
    }
}

/// Kinds of tallies.
pub const TALLIES: usize = 6;

/// The most programs that serve one probe at once, each with its own counters.
pub const PROGRAMS: u32 = 3;

/// Entries of the per-CPU counter array: one for each probe and program, with all tallies in it.
pub const COUNTERS: u32 = 15 * PROGRAMS;

/// Where the tallies of a probe and program stand in the array.
#[must_use]
pub const fn counter_index(probe: Probe, program: u32) -> u32 {
    probe as u32 * PROGRAMS + program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_numbers_and_counters_line_up() {
        for (kind, probe) in (0_u32..).zip(Probe::ALL) {
            assert_eq!(Probe::from_kind(kind), Some(probe));
        }
        assert_eq!(Probe::from_kind(15), None);
        assert_eq!(counter_index(Probe::SelfTest, PROGRAMS - 1), COUNTERS - 1);
        assert!(Tally::ALL.iter().enumerate().all(|(at, tally)| *tally as usize == at));
    }
}

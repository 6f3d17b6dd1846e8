//! The kernels that gomon is tried on: where each comes from, how it is booted, and what gomon must be able to do there.

use super::ways::{self, Extent, WAYS, Way};
use crate::setup::kernels::Source;

/// How the guest mounts its cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// cgroup2 alone.
    V2,
    /// The v1 controllers alone.
    V1,
}

impl Cgroups {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V1 => "v1",
        }
    }
}

/// What gomon must do on a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Every hook that the kernel is new enough for attaches, and every probe sees its event.
    Sees,
    /// The kernel forbids it, and `gomon doctor` says that lockdown is why.
    LockedOut,
}

/// A kernel and the way it is booted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel {
    /// Names it on the command line and in the page.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) source: Source,
    pub(super) cgroups: Cgroups,
    /// Added to the kernel's command line.
    pub(super) parameters: &'static str,
    pub(super) expected: Expected,
}

const OLDEST: Source = Source { name: "5.10", suites: &["bullseye"], series: "5.10", flavour: "cloud" };
const V6_1: Source = Source { name: "6.1", suites: &["bookworm"], series: "6.1", flavour: "cloud" };
const V6_12: Source =
    Source { name: "6.12", suites: &["trixie", "bookworm-backports"], series: "6.12", flavour: "cloud" };
const V6_12_RT: Source = Source { name: "6.12-rt", flavour: "rt", ..V6_12 };
const V6_18: Source =
    Source { name: "6.18", suites: &["trixie-backports"], series: "6.18", flavour: "cloud" };
const NEWEST: Source =
    Source { name: "newest", suites: &["trixie-backports", "sid"], series: "7", flavour: "cloud" };

/// The sources of the kernels that run unless others are named: the oldest and the newest.
pub(crate) const ORDINARY_SOURCES: [Source; 2] = [OLDEST, NEWEST];

pub(super) const KERNELS: &[Kernel] = &[
    Kernel::plain("5.10", "Debian 11: the oldest", OLDEST),
    Kernel { cgroups: Cgroups::V1, ..Kernel::plain("5.10-v1", "cgroup v1 only", OLDEST) },
    Kernel::locked("5.10-lockdown", OLDEST),
    Kernel::plain("6.1", "Debian 12", V6_1),
    Kernel { cgroups: Cgroups::V1, ..Kernel::plain("6.1-v1", "cgroup v1 only", V6_1) },
    Kernel::plain("6.12", "Debian 13", V6_12),
    Kernel::plain("6.12-rt", "PREEMPT_RT", V6_12_RT),
    Kernel::plain("6.18", "long-term", V6_18),
    Kernel::locked("6.18-lockdown", V6_18),
    Kernel::plain("newest", "the newest", NEWEST),
];

impl Kernel {
    const fn plain(name: &'static str, about: &'static str, source: Source) -> Self {
        Self { name, about, source, cgroups: Cgroups::V2, parameters: "", expected: Expected::Sees }
    }

    const fn locked(name: &'static str, source: Source) -> Self {
        Self {
            parameters: "lockdown=confidentiality",
            expected: Expected::LockedOut,
            ..Self::plain(name, "lockdown=confidentiality", source)
        }
    }

    /// The ways of hooking that are tried, of those that the release has. Where none can work, one is enough.
    pub(super) fn ways(&self, release: &str, extent: Extent) -> Vec<&'static Way> {
        let is_open = |way: &Way| way.is_default() || self.expected == Expected::Sees;
        let is_had = |way: &Way| ways::number(release) >= Some(way.since);
        WAYS.iter().filter(|way| is_had(way) && is_open(way) && way.is_in(extent)).collect()
    }

    /// A task may be preempted inside of a kernel program, and the kernel then leaves the program out for others on that
    /// CPU. Debian's ordinary kernels do so from 7.0 on.
    pub(super) fn may_skip(&self, release: &str) -> bool {
        const PREEMPTIBLE: (u32, u32) = (7, 0);
        self.source.flavour == "rt" || ways::number(release) >= Some(PREEMPTIBLE)
    }

    /// Whether it runs unless others are named.
    pub(super) fn is_ordinary(&self) -> bool {
        self.cgroups == Cgroups::V2
            && self.expected == Expected::Sees
            && ORDINARY_SOURCES.iter().any(|source| source.name == self.source.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_two_kernels_are_ordinary() {
        for (at, kernel) in KERNELS.iter().enumerate() {
            assert!(KERNELS.iter().skip(at + 1).all(|other| other.name != kernel.name), "{}", kernel.name);
        }
        let ordinary: Vec<_> = KERNELS.iter().filter(|kernel| kernel.is_ordinary()).collect();
        assert_eq!(ordinary.iter().map(|kernel| kernel.name).collect::<Vec<_>>(), ["5.10", "newest"]);
    }

    #[test]
    fn a_kernel_is_tried_in_the_ways_that_it_has() {
        let names = |kernel: &Kernel, release, extent| -> Vec<&str> {
            kernel.ways(release, extent).iter().map(|way| way.name).collect()
        };
        let plain = &KERNELS[0];
        assert_eq!(names(plain, "5.10.0-32", Extent::All), ["auto", "raw"]);
        assert_eq!(names(plain, "6.1.0-50", Extent::All), ["auto", "fexit", "tracepoint", "raw"]);
        assert_eq!(names(plain, "6.1.0-50", Extent::Ordinary), ["auto", "raw"]);
        assert_eq!(names(&Kernel::locked("x", OLDEST), "6.1.0-50", Extent::All), ["auto"]);
    }
}

//! How many threads Go runs at once under a CPU quota, as far as its version and its settings tell.

use crate::{
    case::Case,
    model::{
        diagnosis::Evidence,
        fact::{CpuQuota, GoBuild},
        text::inert,
    },
    patterns::wording::{config, files, setting},
};

/// Go reads the quota from this release on.
const READS_QUOTA: (u32, u32) = (1, 25);
/// Sets GOMAXPROCS from the quota at start, with every Go version.
const AUTOMAXPROCS: &str = "go.uber.org/automaxprocs";

/// What decides GOMAXPROCS.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// The variable.
    Set(u64),
    /// The quota, rounded up and 2 at least.
    Quota(u64, String),
    /// The release would, and the `go` line of its go.mod or GODEBUG is older: the machine's CPUs.
    SwitchedOff(String),
    /// The release does not know quotas: the machine's CPUs.
    TooOld(String),
    /// go.uber.org/automaxprocs.
    Library,
    /// The Go program is not the container's own command, or its version is not known.
    Unknown,
}

impl Width {
    pub(super) fn of(case: &Case, quota: CpuQuota) -> Self {
        let env = case.config.get().map(|config| &config.env);
        let variable = |name: &str| env.and_then(|env| env.get(name)).map(String::as_str);
        // Go takes positive numbers only.
        let set = variable("GOMAXPROCS").and_then(|text| text.parse().ok()).filter(|&number| number > 0);
        match (set, case.go()) {
            (Some(number), _) => Self::Set(number),
            (None, Some(build)) => Self::of_build(build, variable("GODEBUG"), quota),
            (None, None) => Self::Unknown,
        }
    }

    fn of_build(build: &GoBuild, godebug: Option<&str>, quota: CpuQuota) -> Self {
        if build.depends_on(AUTOMAXPROCS) {
            return Self::Library;
        }
        let Some(release) = build.release() else { return Self::Unknown };
        let version = inert(&build.version).into_owned();
        if release < READS_QUOTA {
            return Self::TooOld(version);
        }
        // The variable counts more than what the program was built with.
        let settings = [godebug, setting(build, "DefaultGODEBUG")].into_iter().flatten();
        let containers = settings.flat_map(|all| all.split(',')).find_map(|one| {
            let (name, value) = one.trim().split_once('=')?;
            (name == "containermaxprocs").then_some(value)
        });
        match containers {
            Some("0") => Self::SwitchedOff(version),
            Some(_) | None => Self::Quota(rounded_up(quota).max(2), version),
        }
    }

    pub(super) fn evidence(&self) -> Evidence {
        match self {
            Self::Set(number) => config(format!("GOMAXPROCS={number} threads at once")),
            Self::Quota(number, version) => {
                files(format!("{version} reads the quota: GOMAXPROCS is {number}, or what the program sets"))
            }
            Self::SwitchedOff(version) => files(format!(
                "{version} could read the quota, and containermaxprocs=0 (an old `go` line in go.mod, or GODEBUG) \
                 switches that off: GOMAXPROCS is the number of the machine's CPUs"
            )),
            Self::TooOld(version) => files(format!(
                "{version} does not know of quotas: GOMAXPROCS is the number of the machine's CPUs"
            )),
            Self::Library => files("go.uber.org/automaxprocs sets GOMAXPROCS from the quota"),
            Self::Unknown => config("GOMAXPROCS is not set"),
        }
    }

    /// How to run no more threads at once than the quota pays for; `None` if it is so already.
    pub(super) fn remedy(&self, quota: CpuQuota) -> Option<String> {
        let fits = rounded_up(quota);
        let set = format!("env:\n- name: GOMAXPROCS\n  value: \"{fits}\"");
        match self {
            Self::Set(number) if *number > fits => Some(format!("{set}   # was {number}")),
            Self::SwitchedOff(_) => {
                Some(format!("# in go.mod, then build again\ngo 1.25\n# or at once\n{set}"))
            }
            Self::TooOld(_) => {
                Some(format!("{set}\n# or build with Go 1.25 or newer, which reads the quota"))
            }
            Self::Unknown => Some(set),
            Self::Set(_) | Self::Quota(..) | Self::Library => None,
        }
    }
}

/// The quota in whole CPUs, one at least.
fn rounded_up(quota: CpuQuota) -> u64 {
    quota.quota_us.div_ceil(quota.period_us.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: CpuQuota = CpuQuota { quota_us: 50_000, period_us: 100_000 };

    fn width(version: &str, default_godebug: &str, godebug: Option<&str>) -> Width {
        let settings = [("DefaultGODEBUG".to_owned(), default_godebug.to_owned())].into_iter().collect();
        let build = GoBuild { version: version.into(), settings, ..GoBuild::default() };
        Width::of_build(&build, godebug, HALF)
    }

    #[test]
    fn a_current_release_reads_the_quota_unless_it_is_told_not_to() {
        assert_eq!(width("go1.27.3", "", None), Width::Quota(2, "go1.27.3".into()));
        assert_eq!(
            width("go1.27.3", "asynctimerchan=1,containermaxprocs=0", None),
            Width::SwitchedOff("go1.27.3".into())
        );
        assert_eq!(
            width("go1.27.3", "containermaxprocs=0", Some("containermaxprocs=1")),
            Width::Quota(2, "go1.27.3".into())
        );
        assert_eq!(width("go1.24.2", "", None), Width::TooOld("go1.24.2".into()));
        assert_eq!(width("devel", "", None), Width::Unknown);
    }

    #[test]
    fn a_width_that_fits_asks_for_more_quota_only() {
        assert!(Width::Quota(2, "go1.27.3".into()).remedy(HALF).is_none());
        assert!(Width::Set(1).remedy(HALF).is_none());
        assert!(Width::Set(8).remedy(HALF).is_some_and(|text| text.contains("\"1\"   # was 8")));
    }
}

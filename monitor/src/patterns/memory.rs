//! What a container's memory limit and its Go settings say together.

use super::wording::{bytes, config};
use crate::{
    case::{Case, OomSeen, Process},
    model::{diagnosis::Evidence, text::inert},
};

/// Resident memory of a victim in bytes.
pub(super) fn resident_bytes(oom: &OomSeen, page_bytes: u64) -> Option<u64> {
    let pages = oom.anon_pages?.checked_add(oom.file_pages?)?.checked_add(oom.shmem_pages?)?;
    pages.checked_mul(page_bytes).filter(|&total| total > 0)
}

/// The limit at that moment: `docker update` changes it without telling the configuration. The victim may be in a cgroup
/// below the container's, without a limit of its own; then the configured one counts.
pub(super) fn current_limit_bytes(oom: &OomSeen, page_bytes: u64, configured: Option<u64>) -> Option<u64> {
    /// More than any machine has.
    const UNLIMITED_BYTES: u64 = 1 << 60;
    let current = oom.limit_pages.and_then(|pages| pages.checked_mul(page_bytes));
    current.filter(|&limit| limit < UNLIMITED_BYTES).or(configured)
}

/// `GOMEMLIMIT` as the runtime reads it (runtime package, "Environment Variables"): a number with an optional `B`,
/// `KiB`, `MiB`, `GiB` or `TiB`. `None` for `off` and for what the runtime refuses.
pub(super) fn go_memory_limit(text: &str) -> Option<u64> {
    const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];
    let (digits, shift) =
        UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift))).unwrap_or((text, 0));
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// What to do about an OOM kill of a Go program.
pub(super) enum Advice {
    /// The victim is no Go program, as far as is known.
    NotGo,
    NoGoLimit,
    /// The victim had much less than the container's limit: other processes, an ancestor or the machine ran out.
    Elsewhere,
    /// `GOMEMLIMIT` in bytes is not below the container's limit.
    GoLimitTooHigh(u64),
    /// It is below the limit, and memory ran out all the same.
    GoLimitSet(String),
}

impl Advice {
    pub(super) fn of(case: &Case, victim: &Process, limit: Option<u64>, fills_limit: bool) -> Self {
        if !fills_limit {
            return Self::Elsewhere;
        }
        if victim.go_started.is_none() && !(case.is_init(victim) && case.go().is_some()) {
            return Self::NotGo;
        }
        Self::of_go(case, limit)
    }

    /// Of a victim that nobody saw: most likely what the container starts with.
    pub(super) fn of_entrypoint(case: &Case, limit: Option<u64>) -> Self {
        if case.go().is_some() { Self::of_go(case, limit) } else { Self::NotGo }
    }

    fn of_go(case: &Case, limit: Option<u64>) -> Self {
        let setting = case.config.get().and_then(|config| config.env.get("GOMEMLIMIT"));
        match (setting, setting.and_then(|text| go_memory_limit(text)), limit) {
            (Some(_), Some(go), Some(limit)) if go >= limit => Self::GoLimitTooHigh(go),
            (Some(text), Some(_), _) => Self::GoLimitSet(inert(text).into_owned()),
            (None, ..) | (Some(_), None, _) => Self::NoGoLimit,
        }
    }

    pub(super) fn evidence(&self, limit: Option<u64>) -> Option<Evidence> {
        // Without a limit there is nothing that the collector could know.
        limit?;
        match self {
            Self::NotGo | Self::Elsewhere => None,
            Self::NoGoLimit => {
                Some(config("GOMEMLIMIT is not set: the garbage collector does not know the limit"))
            }
            Self::GoLimitTooHigh(go) => {
                Some(config(format!("GOMEMLIMIT is {}, not below the limit", bytes(*go))))
            }
            Self::GoLimitSet(text) => Some(config(format!("GOMEMLIMIT={text}, below the limit"))),
        }
    }

    pub(super) fn remedy(&self, limit: Option<u64>) -> String {
        const MIB: u64 = 1 << 20;
        let raise = limit.map_or_else(
            || "# give the container a limit that fits the node".to_owned(),
            |limit| {
                format!(
                    "resources:\n  limits:\n    memory: {}Mi   # was {}Mi",
                    limit.div_ceil(MIB) * 2,
                    limit / MIB
                )
            },
        );
        let tell_go = |limit: u64| {
            format!("env:\n- name: GOMEMLIMIT\n  value: {}MiB   # 90 % of the limit", limit / MIB * 9 / 10)
        };
        match (self, limit) {
            (Self::NoGoLimit | Self::GoLimitTooHigh(_), Some(limit)) => {
                format!(
                    "{}\n# if the live heap itself is larger, only more memory or less use helps\n{raise}",
                    tell_go(limit)
                )
            }
            (Self::GoLimitSet(_), _) => {
                format!(
                    "# GOMEMLIMIT is in force: live memory is larger than the limit, look for a leak\ngo tool pprof http://127.0.0.1:6060/debug/pprof/heap\n{raise}"
                )
            }
            (Self::Elsewhere, _) => "# see who used the memory before raising this container's limit\n\
                docker stats --no-stream   # or: kubectl top pods -A --sort-by=memory"
                .to_owned(),
            (Self::NotGo | Self::NoGoLimit | Self::GoLimitTooHigh(_), _) => raise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_memory_limits_are_read_as_the_runtime_reads_them() {
        assert_eq!(go_memory_limit("400MiB"), Some(400 << 20));
        assert_eq!(go_memory_limit("1024"), Some(1024));
        assert_eq!(go_memory_limit("7B"), Some(7));
        for refused in ["400Mi", "400M", "off", "", "-1", "99999999999TiB"] {
            assert_eq!(go_memory_limit(refused), None, "{refused}");
        }
    }
}

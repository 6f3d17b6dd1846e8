//! What a container's memory limit and its Go settings say together.

use super::wording::{bytes, config, files};
use crate::{
    case::{Case, OomSeen, Process},
    model::{diagnosis::Evidence, text::inert},
};

/// Go reads GOMEMLIMIT from this release on.
pub(super) const KNOWS_GOMEMLIMIT: (u32, u32) = (1, 19);
/// Sets the limit at start from the cgroup's.
const AUTOMEMLIMIT: &str = "github.com/KimMachineGun/automemlimit";
const MIB: u64 = 1 << 20;

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

/// `GOMEMLIMIT` as the runtime reads it (runtime package, "Environment Variables").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoMemoryLimit {
    /// Empty or `off`.
    Off,
    Bytes(u64),
    /// The runtime ends the program.
    Malformed,
}

impl GoMemoryLimit {
    /// A number with an optional `B`, `KiB`, `MiB`, `GiB` or `TiB` that fits 63 bits (`parseByteCount` of the runtime).
    pub(super) fn read(text: &str) -> Self {
        const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];
        if matches!(text, "" | "off") {
            return Self::Off;
        }
        let unit = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
        let (digits, shift) = unit.unwrap_or((text, 0));
        // Rust takes a plus sign, Go does not.
        let number = digits.parse::<u64>().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()));
        let bytes = number.and_then(|number| number.checked_mul(1 << shift));
        bytes.filter(|bytes| i64::try_from(*bytes).is_ok()).map_or(Self::Malformed, Self::Bytes)
    }
}

/// `GOGC` as the runtime reads it; what is no number counts as the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gogc {
    /// `off`, or a negative number: only a memory limit makes the collector run.
    Off,
    Percent(u32),
    Default,
}

impl Gogc {
    pub(super) fn of(case: &Case) -> Self {
        case.config
            .get()
            .and_then(|config| config.env.get("GOGC"))
            .map_or(Self::Default, |text| Self::read(text))
    }

    fn read(text: &str) -> Self {
        // Rust takes a plus sign, Go does not.
        match (text, text.parse::<i32>()) {
            ("off", _) => Self::Off,
            (_, Ok(percent)) if !text.starts_with('+') => {
                u32::try_from(percent).map_or(Self::Off, Self::Percent)
            }
            (_, Ok(_) | Err(_)) => Self::Default,
        }
    }

    /// What it means for memory, where it means more than usual.
    pub(super) fn evidence(self) -> Option<Evidence> {
        match self {
            Self::Off => Some(config("GOGC=off: the collector runs only where GOMEMLIMIT makes it")),
            Self::Percent(percent) if percent > 100 => Some(config(format!(
                "GOGC={percent}: the heap may grow by {percent} % of what is in use before the collector runs"
            ))),
            Self::Percent(_) | Self::Default => None,
        }
    }

    /// One more line below `env:`, where the collector runs more rarely than by default.
    fn remedy(self) -> Option<String> {
        let was = match self {
            Self::Off => "off".to_owned(),
            Self::Percent(percent) if percent > 100 => percent.to_string(),
            Self::Percent(_) | Self::Default => return None,
        };
        Some(format!("\n- name: GOGC\n  value: \"100\"   # was {was}"))
    }
}

/// What to do about an OOM kill of a Go program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Advice {
    /// The victim is no Go program, as far as is known.
    NotGo,
    /// The victim had much less than the container's limit: other processes, an ancestor or the machine ran out.
    Elsewhere,
    NoGoLimit,
    /// This Go release knows no GOMEMLIMIT.
    TooOld(String),
    /// A library sets the limit.
    ByProgram,
    /// Go ends at its start instead.
    Malformed,
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
        let text = case.config.get().and_then(|config| config.env.get("GOMEMLIMIT"));
        let setting = text.map_or(GoMemoryLimit::Off, |text| GoMemoryLimit::read(text));
        let release = case.go().and_then(|build| Some((build, build.release()?)));
        if let Some((build, _)) = release.filter(|(_, release)| *release < KNOWS_GOMEMLIMIT) {
            return Self::TooOld(inert(&build.version).into_owned());
        }
        match (setting, limit) {
            (GoMemoryLimit::Off, _) if case.go().is_some_and(|build| build.depends_on(AUTOMEMLIMIT)) => {
                Self::ByProgram
            }
            (GoMemoryLimit::Off, _) => Self::NoGoLimit,
            (GoMemoryLimit::Malformed, _) => Self::Malformed,
            (GoMemoryLimit::Bytes(go), Some(limit)) if go >= limit => Self::GoLimitTooHigh(go),
            (GoMemoryLimit::Bytes(_), _) => {
                Self::GoLimitSet(inert(text.map(String::as_str).unwrap_or_default()).into_owned())
            }
        }
    }

    /// The garbage collector's settings matter.
    pub(super) fn is_about_go(&self) -> bool {
        !matches!(self, Self::NotGo | Self::Elsewhere)
    }

    pub(super) fn evidence(&self, limit: Option<u64>) -> Option<Evidence> {
        // Without a limit there is nothing that the collector could know.
        limit?;
        match self {
            Self::NotGo | Self::Elsewhere | Self::Malformed => None,
            Self::NoGoLimit => {
                Some(config("GOMEMLIMIT is not set: the garbage collector does not know the limit"))
            }
            Self::TooOld(version) => {
                Some(files(format!("{version} knows no GOMEMLIMIT; Go 1.19 and newer do")))
            }
            Self::ByProgram => {
                Some(files("the program links automemlimit, which sets the memory limit of Go itself"))
            }
            Self::GoLimitTooHigh(go) => {
                Some(config(format!("GOMEMLIMIT is {}, not below the limit", bytes(*go))))
            }
            Self::GoLimitSet(text) => Some(config(format!("GOMEMLIMIT={text}, below the limit"))),
        }
    }

    pub(super) fn remedy(&self, limit: Option<u64>, gogc: Gogc) -> String {
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
        let collect = gogc.remedy().unwrap_or_default();
        match (self, limit) {
            (Self::NoGoLimit | Self::GoLimitTooHigh(_), Some(limit)) => format!(
                "{}{collect}\n# if the live heap itself is larger, only more memory or less use helps\n{raise}",
                tell_go(limit)
            ),
            (Self::TooOld(_), _) => format!(
                "# build with Go 1.19 or newer and set GOMEMLIMIT; until then\nenv:\n- name: GOGC\n  value: \"50\"\n\
                 # or\n{raise}"
            ),
            (Self::GoLimitSet(_) | Self::ByProgram, _) => format!(
                "# GOMEMLIMIT is in force: live memory is larger than the limit, look for a leak\n\
                 go tool pprof http://127.0.0.1:6060/debug/pprof/heap\n{raise}"
            ),
            (Self::Elsewhere, _) => "# see who used the memory before raising this container's limit\n\
                docker stats --no-stream   # or: kubectl top pods -A --sort-by=memory"
                .to_owned(),
            (Self::NoGoLimit | Self::GoLimitTooHigh(_), None) if !collect.is_empty() => {
                format!("env:{collect}\n{raise}")
            }
            (Self::NotGo | Self::Malformed | Self::NoGoLimit | Self::GoLimitTooHigh(_), _) => raise,
        }
    }
}

/// The collector learns of the container's limit.
pub(super) fn tell_go(limit: u64) -> String {
    format!("env:\n- name: GOMEMLIMIT\n  value: {}MiB   # 90 % of the limit", limit / MIB * 9 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_memory_limits_are_read_as_the_runtime_reads_them() {
        use GoMemoryLimit::{Bytes, Malformed, Off};
        for (text, limit) in [
            ("400MiB", Bytes(400 << 20)),
            ("1024", Bytes(1024)),
            ("7B", Bytes(7)),
            ("0", Bytes(0)),
            ("off", Off),
            ("", Off),
            ("8388607TiB", Bytes(8_388_607 << 40)),
        ] {
            assert_eq!(GoMemoryLimit::read(text), limit, "{text}");
        }
        for text in [
            "400Mi",
            "400M",
            "400MB",
            "1.5GiB",
            "80%",
            "-1",
            "+1",
            "B",
            "MiB",
            " 400MiB",
            "OFF",
            "8388608TiB",
            "99999999999TiB",
        ] {
            assert_eq!(GoMemoryLimit::read(text), Malformed, "{text}");
        }
    }

    #[test]
    fn gogc_is_read_as_the_runtime_reads_it() {
        let all = ["off", "-1", "50", "400", "0", "", "many", "1e2"].map(Gogc::read);
        let (off, default) = (Gogc::Off, Gogc::Default);
        let percent = Gogc::Percent;
        assert_eq!(all, [off, off, percent(50), percent(400), percent(0), default, default, default]);
    }
}

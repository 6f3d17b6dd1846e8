//! The ways of hooking system calls that gomon is told to keep to, and which kernels have each.

/// One way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// As `GOMON_HOOKS` names it.
    pub(super) name: &'static str,
    /// The first kernel that has it.
    pub(super) since: (u32, u32),
    pub(super) about: &'static str,
    /// What `gomon doctor` writes before the place of a program that attaches so; nothing where gomon is free.
    pub(super) place: &'static str,
    /// The hooks that have it.
    pub(super) hooks: &'static [&'static str],
    /// Tried in every run; the others only where every way is wanted.
    is_ordinary: bool,
}

/// How much is tried on a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Two ways: what gomon chooses by itself, and what it has left where everything else fails.
    Ordinary,
    All,
}

/// What gomon does when it is not told.
const DEFAULT: &str = "auto";

/// The hooks that have several ways.
const CHOOSY: &[&str] = &["open_and_exec", "tls", "syscall_refused"];

pub(super) const WAYS: &[Way] = &[
    Way {
        name: DEFAULT,
        since: (5, 8),
        about: "the cheapest, which gomon chooses by itself",
        place: "",
        hooks: CHOOSY,
        is_ordinary: true,
    },
    Way {
        name: "fexit",
        since: (5, 15),
        about: "at the end of the functions of system calls",
        place: "fexit/",
        // A call that a seccomp filter refuses never reaches its function.
        hooks: &["open_and_exec", "tls"],
        is_ordinary: false,
    },
    Way {
        name: "tracepoint",
        since: (5, 15),
        about: "the tracepoints behind single system calls",
        place: "tracepoint/",
        hooks: CHOOSY,
        is_ordinary: false,
    },
    Way {
        name: "raw",
        since: (5, 8),
        about: "the tracepoint behind all system calls",
        place: "tp_btf/",
        hooks: CHOOSY,
        is_ordinary: true,
    },
];

impl Way {
    pub(super) fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    pub(super) fn is_in(&self, extent: Extent) -> bool {
        self.is_ordinary || extent == Extent::All
    }
}

/// `6.1.0-18-amd64` begins with 6 and 1.
pub(super) fn number(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert_eq!(number("6.12.95+deb12-rt-amd64"), Some((6, 12)));
        assert!(number("6.9.1") < number("6.10"));
        assert_eq!(number("mainline"), None);
    }
}

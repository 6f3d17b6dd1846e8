//! What this process may do: its user, its user namespace, its capabilities.

use std::fs;

use super::check::{Check, State};

/// capabilities(7), with what is lost without it.
struct Capability {
    check: &'static str,
    name: &'static str,
    bit: u32,
    /// A wider capability that the kernel takes in its place.
    wider: Option<(&'static str, u32)>,
    without: State,
    lost: &'static str,
}

const SYS_ADMIN: u32 = 21;
const BPF: u32 = 39;
const PERFMON: u32 = 38;

const CAPABILITIES: [Capability; 5] = [
    Capability {
        check: "cap-bpf",
        name: "CAP_BPF",
        bit: BPF,
        wider: Some(("CAP_SYS_ADMIN", SYS_ADMIN)),
        without: State::Missing,
        lost: "gomon cannot load its kernel programs",
    },
    Capability {
        check: "cap-perfmon",
        name: "CAP_PERFMON",
        bit: PERFMON,
        wider: Some(("CAP_SYS_ADMIN", SYS_ADMIN)),
        without: State::Missing,
        lost: "gomon's kernel programs may not trace or read kernel memory",
    },
    Capability {
        check: "cap-sys-ptrace",
        name: "CAP_SYS_PTRACE",
        bit: 19,
        wider: None,
        without: State::Degraded,
        lost: "gomon cannot see the files of running containers as their processes see them",
    },
    Capability {
        check: "cap-dac-read-search",
        name: "CAP_DAC_READ_SEARCH",
        bit: 2,
        wider: Some(("CAP_DAC_OVERRIDE", 1)),
        without: State::Degraded,
        lost: "bundles and container files of other users stay closed to gomon",
    },
    Capability {
        check: "cap-sys-admin",
        name: "CAP_SYS_ADMIN",
        bit: SYS_ADMIN,
        wider: None,
        without: State::Degraded,
        lost: "gomon cannot mount the layers of dead Docker containers to look at their files",
    },
];

pub(super) fn checks() -> Vec<Check> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    from_text(&read("/proc/self/status"), &read("/proc/self/uid_map"))
}

/// From the texts of `/proc/self/status` and `/proc/self/uid_map`.
fn from_text(status: &str, uid_map: &str) -> Vec<Check> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let effective = field("CapEff:").and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let uid = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse::<u32>().ok());
    let (Some(effective), Some(uid)) = (effective, uid) else {
        let remedy = "Mount procfs at /proc: gomon reads processes and cgroups there.";
        return vec![Check::missing("user", "/proc/self/status cannot be read", remedy)];
    };
    let mut checks = vec![user(uid, effective, uid_map)];
    checks.extend(CAPABILITIES.iter().map(|capability| capability.check(effective)));
    checks
}

fn has(effective: u64, bit: u32) -> bool {
    effective & (1 << bit) != 0
}

fn user(uid: u32, effective: u64, uid_map: &str) -> Check {
    let ids: Vec<&str> = uid_map.split_whitespace().collect();
    if ids != ["0", "0", "4294967295"] {
        return Check::missing(
            "user",
            format!("uid {uid} in a user namespace that is not the host's"),
            "Capabilities count only inside that namespace. Run gomon outside of it: no rootless container, hostUsers: true.",
        );
    }
    let may_load = has(effective, SYS_ADMIN) || (has(effective, BPF) && has(effective, PERFMON));
    match (uid, may_load) {
        (0, true) => Check::ok("user", "root"),
        (_, true) => Check::ok("user", format!("uid {uid} with the capabilities that it needs")),
        (0, false) => Check::missing("user", "root without the capabilities that gomon needs", GRANT),
        (_, false) => Check::missing("user", format!("uid {uid}, not root"), GRANT),
    }
}

const GRANT: &str = "Run gomon as root, or give it BPF, PERFMON, SYS_PTRACE and DAC_READ_SEARCH (sudo; \
securityContext.capabilities.add; setcap).";

impl Capability {
    fn check(&self, effective: u64) -> Check {
        let Self { check, name, bit, wider, without, lost } = self;
        if has(effective, *bit) {
            return Check::ok(*check, format!("{name} is effective"));
        }
        if let Some((wider, _)) = wider.filter(|(_, bit)| has(effective, *bit)) {
            return Check::ok(*check, format!("{wider} stands in for {name}"));
        }
        let (found, remedy) =
            (format!("{name} is not effective"), format!("Without it {lost}. Run as root or grant {name}."));
        match without {
            State::Missing => Check::missing(*check, found, remedy),
            State::Ok | State::Degraded => Check::degraded(*check, found, remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "         0          0 4294967295\n";

    /// The states in order: user, bpf, perfmon, ptrace, dac, admin.
    fn states(uid: u32, effective: u64, uid_map: &str) -> String {
        let status = format!("Name:\tgomon\nUid:\t1\t{uid}\t1\t1\nCapEff:\t{effective:016x}\n");
        let letter = |check: &Check| match check.state {
            State::Ok => 'o',
            State::Degraded => 'd',
            State::Missing => 'm',
        };
        from_text(&status, uid_map).iter().map(letter).collect()
    }

    #[test]
    fn capabilities_decide_and_wider_ones_stand_in() {
        let least = 1 << BPF | 1 << PERFMON | 1 << 19 | 1 << 2;
        for (uid, effective, map, expected) in [
            (0, u64::MAX, HOST, "oooooo"),
            (1000, 0, HOST, "mmmddd"),
            (0, 0, HOST, "mmmddd"),
            (1000, least, HOST, "oooood"),
            (0, 1 << SYS_ADMIN, HOST, "oooddo"),
            (0, 1 << BPF | 1 << 1, HOST, "momdod"),
            (0, u64::MAX, "0 100000 65536\n", "mooooo"),
        ] {
            assert_eq!(states(uid, effective, map), expected, "{uid} {effective:x} {map}");
        }
        assert_eq!(from_text("", "").len(), 1);
    }
}

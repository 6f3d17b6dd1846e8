//! Whether what is in force holds for every thread of this process, by the kernel's own account: proc(5).

use std::fs;

use super::{KEPT, Restraint, UID, privileges::IN_PLACE_OF_ADMIN};

/// The restraints that some thread does not have, and which thread. Where that cannot be read, none is taken for granted.
pub(super) fn loose(in_force: &[Restraint]) -> Vec<(Restraint, String)> {
    let threads = match statuses() {
        Ok(threads) => threads,
        Err(error) => {
            let why = format!("whether it holds cannot be read: {error}");
            return in_force.iter().map(|restraint| (*restraint, why.clone())).collect();
        }
    };
    let loose = |restraint: &Restraint| {
        let thread = threads.iter().find(|status| !holds(*restraint, status))?;
        Some((*restraint, format!("it does not hold for thread {}", field(thread, "Name").unwrap_or("?"))))
    };
    in_force.iter().filter_map(loose).collect()
}

fn statuses() -> std::io::Result<Vec<String>> {
    let threads = fs::read_dir("/proc/self/task")?;
    threads.map(|thread| fs::read_to_string(thread?.path().join("status"))).collect()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// By the text of a thread's status.
fn holds(restraint: Restraint, status: &str) -> bool {
    match restraint {
        Restraint::User => {
            let of = |name| field(status, name).map(|ids| ids.split_whitespace().collect::<Vec<_>>());
            let own = UID.to_string();
            match of("Uid") {
                // Who was not root stays who it was.
                Some(ids) if !ids.contains(&"0") && !ids.contains(&own.as_str()) => true,
                Some(ids) => [Some(ids), of("Gid")].iter().all(|ids| {
                    ids.as_ref().is_some_and(|ids| !ids.is_empty() && ids.iter().all(|id| *id == own))
                }),
                None => false,
            }
        }
        Restraint::Capabilities => {
            let beyond = !(KEPT | IN_PLACE_OF_ADMIN).bits();
            ["CapInh", "CapPrm", "CapEff", "CapAmb"].iter().all(|set| {
                let bits = field(status, set).and_then(|hex| u64::from_str_radix(hex, 16).ok());
                bits.is_some_and(|bits| bits & beyond == 0)
            })
        }
        Restraint::NoNewPrivileges => field(status, "NoNewPrivs") == Some("1"),
        // SECCOMP_MODE_FILTER
        Restraint::SystemCalls => field(status, "Seccomp") == Some("2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFINED: &str = "Name:\tgomon\nUid:\t65523\t65523\t65523\t65523\nGid:\t65523\t65523\t65523\t65523\n\
        CapInh:\t0000000000000000\nCapPrm:\t0000004000280004\nCapEff:\t0000004000280004\nCapBnd:\t0000000000000000\n\
        CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";

    #[test]
    fn each_restraint_is_seen_in_the_kernels_account() {
        for restraint in Restraint::ALL {
            assert!(holds(restraint, CONFINED), "{restraint:?}");
            assert!(!holds(restraint, ""), "{restraint:?}");
        }
        for (restraint, from, to) in [
            (Restraint::User, "Uid:\t65523", "Uid:\t0"),
            (Restraint::User, "Gid:\t65523\t65523", "Gid:\t65523\t0"),
            (Restraint::Capabilities, "CapEff:\t0000004000280004", "CapEff:\t0000004000280005"),
            (Restraint::NoNewPrivileges, "NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            (Restraint::SystemCalls, "Seccomp:\t2", "Seccomp:\t0"),
        ] {
            assert!(!holds(restraint, &CONFINED.replace(from, to)), "{restraint:?} {to}");
        }
        let other = CONFINED.replace("65523", "1000");
        assert!(holds(Restraint::User, &other), "a user of its own already");
    }
}

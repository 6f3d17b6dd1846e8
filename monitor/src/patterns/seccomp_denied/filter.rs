//! Whose seccomp filter it was, as far as the container's configuration tells, and what the call is named.

use monitor_common::refused::WATCHED;

use crate::{
    case::Case,
    model::{diagnosis::Evidence, seccomp::SeccompAction, syscall},
    patterns::wording::config,
};

/// Where a filter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// The container's profile, which says so.
    Profile,
    /// The container has no profile, or one that allows the call: the program, or what started it, installed a filter.
    Own { profile_allows: bool },
    /// The container has a profile, and what it says about the call is not known.
    Unknown,
}

impl Filter {
    /// The filter that did one of these things to who made the call.
    pub(super) fn of(case: &Case, call: &str, actions: &[SeccompAction]) -> Self {
        let Some(config) = case.config.get() else { return Self::Unknown };
        if !config.seccomp {
            return Self::Own { profile_allows: false };
        }
        let Some(denials) = &config.seccomp_denials else { return Self::Unknown };
        // Of other calls nobody looks up what the profile says.
        let is_looked_up = WATCHED.iter().any(|watched| watched.name == call);
        match denials.get(call) {
            Some(action) if actions.contains(action) => Self::Profile,
            None if is_looked_up => Self::Own { profile_allows: true },
            Some(_) | None => Self::Unknown,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Profile => "the container's seccomp profile",
            Self::Own { .. } => "a seccomp filter of the program's own",
            Self::Unknown => "a seccomp filter",
        }
    }

    pub(super) fn evidence(self, call: &str, does: &str) -> Evidence {
        config(match self {
            Self::Profile => format!("of {call} the container's seccomp profile says: {does}"),
            Self::Own { profile_allows: false } => {
                "the container has no seccomp profile: the filter is the program's own".to_owned()
            }
            Self::Own { profile_allows: true } => {
                format!("the container's seccomp profile allows {call}: the filter is the program's own")
            }
            Self::Unknown => format!(
                "what the container's seccomp profile says of {call} is not known: the filter may be the program's own"
            ),
        })
    }
}

/// The call with this number on the container's machine.
pub(super) fn call(case: &Case, number: Option<u32>) -> String {
    let Some(number) = number else { return "a system call".to_owned() };
    syscall::name(case.host.machine, number).map_or_else(|| format!("system call {number}"), str::to_owned)
}

/// The capability that the kernel asks of who makes the call, by number and name; Docker's default profile allows the
/// call to who has it.
pub(super) fn capability(call: &str) -> Option<(u32, &'static str)> {
    Some(match call {
        "mount" | "umount2" | "pivot_root" | "setns" | "unshare" | "fsopen" | "open_tree" | "move_mount"
        | "sethostname" => (21, "SYS_ADMIN"),
        "open_by_handle_at" => (2, "DAC_READ_SEARCH"),
        "init_module" | "finit_module" => (16, "SYS_MODULE"),
        "chroot" => (18, "SYS_CHROOT"),
        "process_vm_readv" | "process_vm_writev" => (19, "SYS_PTRACE"),
        "reboot" => (22, "SYS_BOOT"),
        "mbind" | "set_mempolicy" | "get_mempolicy" | "move_pages" => (23, "SYS_NICE"),
        "clock_settime" | "settimeofday" => (25, "SYS_TIME"),
        "syslog" => (34, "SYSLOG"),
        "perf_event_open" => (38, "PERFMON"),
        "bpf" => (39, "BPF"),
        _ => return None,
    })
}

/// That the kernel itself would refuse the call as well, as evidence.
pub(super) fn lacks_capability(case: &Case, call: &str) -> Option<Evidence> {
    let (number, name) = capability(call)?;
    let granted = case.config.get()?.effective_caps?;
    (granted >> number & 1 == 0).then(|| config(format!("the container does not have CAP_{name} either")))
}

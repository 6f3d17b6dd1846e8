//! System calls that a process of a container was refused: whose rule it was, who asked, and what came of it.

use super::{start::first_process, wording::config};
use crate::{
    case::{Case, ExitSeen, Process, RefusedSeen},
    model::{
        diagnosis::Evidence,
        errno::Errno,
        event::Refusal,
        seccomp::SeccompAction,
        signal::Signal,
        text::inert,
        time::{BootNs, SECOND},
    },
};

/// A program that ends in failure this soon after a refusal most likely ends because of it.
const GIVES_UP_NS: u64 = SECOND;

/// Who refuses a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The container's seccomp profile, whatever the arguments.
    Profile,
    /// Not the profile: the kernel's own check, a security module, or a filter of the program's own.
    NotProfile,
    /// The profile's answer hangs on the arguments, or nobody could read it.
    Unknown,
}

impl Rule {
    /// Who answered a call of this name with that errno.
    pub(super) fn of(case: &Case, syscall: &str, errno: Errno) -> Self {
        let Some(config) = case.config.get() else { return Self::Unknown };
        if !config.seccomp {
            return Self::NotProfile;
        }
        let Some(denials) = &config.seccomp_denials else { return Self::Unknown };
        match denials.get(syscall) {
            Some(SeccompAction::Errno(answer)) if *answer == errno.0 => Self::Profile,
            Some(SeccompAction::Depends) => Self::Unknown,
            Some(
                SeccompAction::Errno(_)
                | SeccompAction::KillProcess
                | SeccompAction::KillThread
                | SeccompAction::Trap,
            )
            | None => Self::NotProfile,
        }
    }

    /// Who refused a call that was seen to fail; a thread that was killed was not answered.
    pub(super) fn behind(case: &Case, refused: &RefusedSeen) -> Self {
        match refused.result {
            Refusal::Errno(errno) => Self::of(case, &refused.syscall, errno),
            Refusal::ThreadKilled => Self::Unknown,
        }
    }
}

/// That the profile answers so, as evidence.
pub(super) fn profile_answers(syscall: &str, errno: Errno) -> Evidence {
    config(format!("the container's seccomp profile answers {syscall} with {errno}, whatever its arguments"))
}

/// The program that a process runs, inert; its name where nobody saw it start, or where it was started through a link of
/// procfs, as BusyBox starts its commands.
pub(super) fn program(process: &Process) -> String {
    let path = process.program.as_ref().map(|program| program.path.as_str());
    let path = path.filter(|path| !path.starts_with("/proc/"));
    inert(path.unwrap_or(&process.comm)).into_owned()
}

/// A process in a few words: its program and its place in the container.
pub(super) fn who(case: &Case, process: &Process) -> String {
    let program = program(process);
    if case.is_init(process) {
        return format!("{program} ({})", first_process(case));
    }
    if case.is_from_outside(process) {
        return format!("{program} (from outside: docker exec, kubectl exec or a health check)");
    }
    match process.ns_pid {
        0 => format!("{program} (a process of the container)"),
        _ if case.shares_host_pids() => format!("{program} (pid {} of the host)", process.pid),
        pid => format!("{program} (pid {pid} in the container)"),
    }
}

/// The container's work hangs on it: its first process, or a Go program that runs in it.
pub(super) fn is_main(case: &Case, process: &Process) -> bool {
    let is_go = process.go_started.is_some() && !case.is_from_outside(process);
    case.is_init(process) || is_go
}

/// It ended in failure soon after that time, and nobody had asked it to.
pub(super) fn gave_up(process: &Process, at: BootNs) -> Option<ExitSeen> {
    let exit = process.exit.filter(|exit| exit.at >= at && exit.at.since(at) <= GIVES_UP_NS)?;
    let asks = |signal| matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT | Signal::KILL);
    let was_asked = exit.signal.is_some_and(asks)
        || process.signals.iter().any(|seen| asks(seen.signal) && seen.at <= exit.at);
    (exit.shell_code() != 0 && !was_asked).then_some(exit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        container::{CgroupId, ContainerId, Run},
        fact::{Config, Fact, Known},
        observation::Host,
    };

    fn case(seccomp: bool, denials: Option<&[(&str, SeccompAction)]>) -> Case {
        let run = Run { container: ContainerId("ab".repeat(32).into()), cgroup: CgroupId(1) };
        let mut case = Case::new(run, BootNs(0), Host::default());
        let denials = denials.map(|all| {
            all.iter().map(|(name, action)| ((*name).to_owned(), *action)).collect::<BTreeMap<_, _>>()
        });
        let config = Config { seccomp, seccomp_denials: denials, ..Config::default() };
        case.learn(BootNs(0), Fact::Config(Known::Is(config)));
        case
    }

    #[test]
    fn only_a_profile_that_gives_this_errno_for_this_call_is_to_blame() {
        use SeccompAction::{Depends, Errno as Answers, KillProcess};
        let rule = |denials| Rule::of(&case(true, denials), "mount", Errno::EPERM);
        assert_eq!(rule(Some(&[("mount", Answers(1))])), Rule::Profile);
        assert_eq!(rule(Some(&[("mount", Answers(13))])), Rule::NotProfile);
        assert_eq!(rule(Some(&[("mount", KillProcess)])), Rule::NotProfile);
        assert_eq!(rule(Some(&[("unshare", Answers(1))])), Rule::NotProfile);
        assert_eq!(rule(Some(&[("mount", Depends)])), Rule::Unknown);
        assert_eq!(rule(None), Rule::Unknown);
        assert_eq!(Rule::of(&case(false, None), "mount", Errno::EPERM), Rule::NotProfile);
    }
}

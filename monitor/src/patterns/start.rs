//! Attempts to start a program that came to nothing: the ground that all exec patterns stand on.

use std::fmt::Write as _;

use crate::{
    case::{Case, ExecFailure, ExitSeen, Process},
    model::{
        diagnosis::{Confidence, Evidence, Severity, Source},
        errno::Errno,
        fact::{FileFact, RuntimeState},
        text::inert,
        time::BootNs,
    },
};

/// How gomon knows of the attempt.
#[derive(Clone, Copy)]
pub(super) enum Seen<'a> {
    /// The kernel refused the execve.
    Refused(&'a Process, &'a ExecFailure),
    /// The runtime's init stage ended before any execve: it checks the file first.
    Checked(&'a Process, ExitSeen),
    /// It was over before gomon looked; only the runtime remembers.
    Past(&'a RuntimeState),
}

/// Whose attempt it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The container's own command.
    Start,
    /// A process of the container.
    Inside,
    /// A command from outside: `docker exec`, `kubectl exec`, a health check.
    Outside,
}

/// One attempt that failed for good.
pub(super) struct Attempt<'a> {
    pub(super) at: BootNs,
    pub(super) seen: Seen<'a>,
    /// The program, inert.
    pub(super) path: String,
    pub(super) file: Option<&'a FileFact>,
    pub(super) origin: Origin,
}

impl Attempt<'_> {
    /// This process made it.
    pub(super) fn is_of(&self, process: &Process) -> bool {
        matches!(self.seen, Seen::Refused(own, _) if own.pid == process.pid)
    }

    /// The kernel's errno, where it was the kernel that refused.
    pub(super) fn errno(&self) -> Option<Errno> {
        match self.seen {
            Seen::Refused(_, failure) => Some(failure.errno),
            Seen::Checked(..) | Seen::Past(_) => None,
        }
    }

    /// Either the kernel said so, or nobody can ask the kernel any more.
    pub(super) fn refused_with(&self, errno: Errno) -> bool {
        match self.seen {
            Seen::Refused(_, failure) => failure.errno == errno,
            Seen::Checked(..) => false,
            Seen::Past(_) => true,
        }
    }

    /// A command from outside does not touch the container's own work.
    pub(super) fn severity(&self) -> Severity {
        match self.origin {
            Origin::Start | Origin::Inside => Severity::Error,
            Origin::Outside => Severity::Warning,
        }
    }

    /// As sure as the pattern's rule, unless the attempt itself was not seen.
    pub(super) fn confidence(&self) -> Confidence {
        match self.seen {
            Seen::Refused(..) | Seen::Checked(..) => Confidence::Certain,
            Seen::Past(_) => Confidence::High,
        }
    }

    /// What was seen, as evidence.
    pub(super) fn evidence(&self, case: &Case) -> Vec<Evidence> {
        match self.seen {
            Seen::Refused(process, failure) => {
                let (comm, who) = (inert(&failure.comm), self.who(case, process));
                let fact = match failure.path.as_str() {
                    "" => format!(
                        "execve by {comm} ({who}) failed with {} past the point of no return",
                        failure.errno
                    ),
                    path => {
                        format!("execve(\"{}\") by {comm} ({who}) failed with {}", inert(path), failure.errno)
                    }
                };
                let mut all = vec![Evidence { at: Some(failure.at), source: Source::Kernel, fact }];
                all.extend(process.exit.map(|exit| ended(exit, "it")));
                all
            }
            Seen::Checked(process, exit) => {
                let fact = format!(
                    "{} ({}) exited with code {} before any execve: the runtime checks the command first",
                    inert(&process.comm),
                    self.who(case, process),
                    exit.code
                );
                vec![Evidence { at: Some(exit.at), source: Source::Kernel, fact }]
            }
            Seen::Past(state) => vec![past(state)],
        }
    }

    fn who(&self, case: &Case, process: &Process) -> String {
        match self.origin {
            Origin::Outside => "from outside: docker exec, kubectl exec or a health check".to_owned(),
            Origin::Start | Origin::Inside if case.is_init(process) => first_process(case).to_owned(),
            Origin::Start | Origin::Inside if process.ns_pid == 0 => "a process of the container".to_owned(),
            Origin::Start | Origin::Inside => format!("pid {} in the container", process.ns_pid),
        }
    }
}

/// What the container's first process is called.
pub(super) fn first_process(case: &Case) -> &'static str {
    if case.shares_host_pids() { "the container's first process" } else { "PID 1 of the container" }
}

/// The end of a process, as evidence.
pub(super) fn ended(exit: ExitSeen, who: &str) -> Evidence {
    let fact = match exit.signal {
        Some(signal) => format!("{who} was ended by {signal} (exit code {})", exit.shell_code()),
        None => format!("{who} exited with code {}", exit.code),
    };
    Evidence { at: Some(exit.at), source: Source::Kernel, fact }
}

/// What the runtime remembers, as evidence.
pub(super) fn past(state: &RuntimeState) -> Evidence {
    let mut fact = format!("the runtime reports status {}", inert(&state.status));
    if let Some(code) = state.exit_code {
        // Writing to a String cannot fail.
        let _ = write!(fact, ", exit code {code}");
    }
    if !state.error.is_empty() {
        let _ = write!(fact, ", error: {}", inert(&state.error));
    }
    Evidence { at: None, source: Source::Runtime, fact }
}

/// All attempts of a run that failed for good.
pub(super) fn attempts(case: &Case) -> Vec<Attempt<'_>> {
    let init = case.init().map(|init| init.pid);
    let of_each = |process| refused(case, process, init);
    let mut found: Vec<Attempt<'_>> = case.processes().flat_map(of_each).collect();
    found.extend(checked(case));
    if found.is_empty() {
        found.extend(over(case));
    }
    found
}

/// Failures that no success followed: a search along PATH that ended well has none.
fn refused<'a>(case: &'a Case, process: &'a Process, init: Option<u32>) -> impl Iterator<Item = Attempt<'a>> {
    let settled = |failure: &&ExecFailure| case.is_settled(process, failure);
    process.exec_failures.iter().filter(settled).map(move |failure| {
        let origin = match (process.is_runtime_stage(), init == Some(process.pid)) {
            (true, true) => Origin::Start,
            (true, false) => Origin::Outside,
            (false, _) if case.is_from_outside(process) => Origin::Outside,
            (false, _) => Origin::Inside,
        };
        // After the point of no return the path is unreadable; then it is the one that the container starts with.
        let path = if failure.path.is_empty() { command(case) } else { failure.path.clone() };
        // A relative path is found under the absolute one that birth looked at.
        let is_command = origin == Origin::Start && !failure.path.starts_with('/');
        let entrypoint = || case.entrypoint.get().filter(|_| is_command).and_then(|e| e.file.get());
        Attempt {
            at: failure.at,
            seen: Seen::Refused(process, failure),
            file: case.file(&path).or_else(entrypoint),
            path: inert(&path).into_owned(),
            origin,
        }
    })
}

/// PID 1 ended while it still was the runtime's init stage, and never called execve.
fn checked(case: &Case) -> Option<Attempt<'_>> {
    let init = case.init()?;
    let exit = init.exit?;
    let never_tried = init.is_runtime_stage() && init.exec_failures.is_empty() && case.from_birth;
    let failed = exit.code != 0 && exit.signal.is_none();
    (never_tried && failed).then(|| at_entrypoint(case, exit.at, Seen::Checked(init, exit)))
}

/// The container was dead, or between two lives, when gomon came.
fn over(case: &Case) -> Option<Attempt<'_>> {
    let (at, state) = unseen_end(case)?;
    // What docker and containerd report when a command cannot be started, 139 for one that is cut off.
    let failed = state.exit_code.is_some_and(|code| matches!(code, 1 | 126 | 127 | 128 | 139 | 255));
    failed.then(|| at_entrypoint(case, at, Seen::Past(state)))
}

/// What the runtime remembers of a life that ended before gomon looked.
pub(super) fn unseen_end(case: &Case) -> Option<(BootNs, &RuntimeState)> {
    let (at, state) = case.runtime_state.as_ref()?;
    let is_over = !matches!(state.status.as_str(), "running" | "paused");
    (is_over && !case.from_birth).then_some((*at, state))
}

fn at_entrypoint<'a>(case: &'a Case, at: BootNs, seen: Seen<'a>) -> Attempt<'a> {
    let file = case.entrypoint.get().and_then(|entrypoint| entrypoint.file.get());
    Attempt { at, seen, path: inert(&command(case)).into_owned(), file, origin: Origin::Start }
}

/// The command that the container was told to run.
fn command(case: &Case) -> String {
    let Some(entrypoint) = case.entrypoint.get() else { return String::new() };
    match entrypoint.file.get() {
        Some(FileFact::Present(file)) => file.path.clone(),
        Some(FileFact::Absent { .. }) | None => entrypoint.command.clone(),
    }
}

//! What became of a process after something failed in it: it ended in failure at once, or it went on.

use crate::{
    case::{Case, ExitSeen, Process},
    model::{
        signal::Signal,
        time::{BootNs, SECOND},
    },
};

/// A program that ends in failure this soon after most likely ends because of it.
const GIVES_UP_NS: u64 = SECOND;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// The process itself ended in failure.
    Ended(ExitSeen),
    /// PID 1 did, for which the process worked.
    EndedContainer(ExitSeen),
    WentOn,
}

impl Aftermath {
    /// After something that failed in `process` at that time.
    pub(super) fn of(case: &Case, process: &Process, at: BootNs) -> Self {
        let of_init = case.init().filter(|init| init.pid != process.pid && !case.is_from_outside(process));
        let init = of_init.and_then(|init| failure(init, at));
        match (init, failure(process, at)) {
            (Some(exit), _) => Self::EndedContainer(exit),
            (None, Some(exit)) => Self::Ended(exit),
            (None, None) => Self::WentOn,
        }
    }

    /// The end that it came to.
    pub(super) fn exit(self) -> Option<ExitSeen> {
        match self {
            Self::Ended(exit) | Self::EndedContainer(exit) => Some(exit),
            Self::WentOn => None,
        }
    }

    /// It was PID 1 that ended, not the process itself.
    pub(super) fn is_container(self) -> bool {
        matches!(self, Self::EndedContainer(_))
    }

    /// What is said of it behind the cause.
    pub(super) fn says(self) -> String {
        match self {
            Self::Ended(exit) => format!("; it then exited with code {}", exit.code),
            Self::EndedContainer(exit) => format!("; the container then exited with code {}", exit.code),
            Self::WentOn => String::new(),
        }
    }
}

/// It exited by itself, with a code of failure, soon after that time. Who is asked to end does not end because of it.
fn failure(process: &Process, at: BootNs) -> Option<ExitSeen> {
    let exit = process.exit.filter(|exit| exit.signal.is_none() && exit.code != 0)?;
    let is_soon = exit.at >= at && exit.at.since(at) <= GIVES_UP_NS;
    let asks = |signal| matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT | Signal::KILL);
    let was_asked = process.signals.iter().any(|seen| asks(seen.signal) && seen.at <= exit.at);
    (is_soon && !was_asked).then_some(exit)
}

/// It exited with 0 soon after that time: in its own opinion it has done what it was to do.
pub(super) fn ended_well(process: &Process, at: BootNs) -> bool {
    let is_well = |exit: ExitSeen| {
        exit.signal.is_none() && exit.code == 0 && exit.at >= at && exit.at.since(at) <= GIVES_UP_NS
    };
    process.exit.is_some_and(is_well)
}

/// Nothing more can come of what failed in `process` at that time.
pub(super) fn is_settled(case: &Case, process: &Process, at: BootNs) -> bool {
    let is_over = process.exit.is_some() && case.init().is_none_or(|init| init.exit.is_some());
    is_over || case.vanished_at.is_some() || case.awake_ns(at, case.now) >= GIVES_UP_NS
}

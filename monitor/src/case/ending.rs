//! How a run ended and whether anything explains it: exit codes alone prove nothing.

use super::{Case, ExitSeen, Process};
use crate::model::{
    diagnosis::{Ending, Meaning},
    signal::{SI_KERNEL, SI_TKILL, Signal},
};

impl Case {
    /// The end of PID 1, or what the runtime remembers of it. `explained`: a diagnosis of this run says why.
    pub fn ending(&self, explained: bool) -> Option<Ending> {
        if let Some((init, exit)) = self.init().and_then(|init| Some((init, init.exit?))) {
            let meaning = match exit.shell_code() {
                0 => Meaning::Success,
                _ if explained => Meaning::Explained,
                _ if was_stopped(self, init, exit) => Meaning::Stopped,
                _ => Meaning::Unexplained,
            };
            return Some(Ending { at: Some(exit.at), code: exit.shell_code().into(), meaning });
        }
        let (_, state) = self.runtime_state.as_ref()?;
        let code = state.exit_code?;
        let meaning = match code {
            0 => Meaning::Success,
            _ if explained => Meaning::Explained,
            _ => Meaning::Unexplained,
        };
        Some(Ending { at: None, code, meaning })
    }
}

/// A signal from outside ended it, or made it end: a Go program without a handler re-raises SIGTERM to itself
/// (exit code 143, or 2 with older Go), one with a handler chooses its own code.
fn was_stopped(case: &Case, init: &Process, exit: ExitSeen) -> bool {
    let from_outside = init.signals.iter().filter(|seen| {
        seen.sender_cgroup != case.run.cgroup
            && !matches!(seen.code, SI_KERNEL | SI_TKILL)
            && seen.at <= exit.at
    });
    let asks = |signal| matches!(signal, Signal::TERM | Signal::KILL | Signal::INT | Signal::QUIT);
    from_outside.into_iter().any(|seen| exit.signal == Some(seen.signal) || asks(seen.signal))
}

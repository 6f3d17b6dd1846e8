//! Long-running children: tied to the life of this process and ended the way they expect.

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{command, say};

const PAUSE: Duration = Duration::from_millis(100);

/// A command that the kernel ends with SIGTERM when the thread that spawns it ends, where util-linux offers that.
pub(crate) fn tied(program: &Path) -> Command {
    match command::find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Sends SIGTERM and waits; kills the child only when it does not end in time.
pub(crate) fn stop(child: Child, name: &str, patience: Duration) {
    end(child, Signal::TERM, name, patience);
}

/// The same with SIGINT, on which a tool of the command line prints what it still holds.
pub(crate) fn interrupt(child: Child, name: &str, patience: Duration) {
    end(child, Signal::INT, name, patience);
}

fn end(mut child: Child, signal: Signal, name: &str, patience: Duration) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself in the meantime.
        let _ = kill_process(pid, signal);
    }
    let ended = wait_until(patience, || !matches!(child.try_wait(), Ok(None)));
    if !ended {
        say::warning(format_args!("{name} did not end within {} s and is killed", patience.as_secs()));
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Whether the condition came true in time.
pub(crate) fn wait_until(patience: Duration, condition: impl FnMut() -> bool) -> bool {
    poll(patience, PAUSE, condition)
}

/// The same, with a pause of its own between two looks.
pub(crate) fn poll(patience: Duration, pause: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_ends_on_sigterm_is_not_killed() {
        let dir = tempfile::tempdir().unwrap();
        let (ready, ended) = (dir.path().join("ready"), dir.path().join("ended"));
        let script = format!(
            "trap 'touch {}; exit 0' TERM; touch {}; while :; do sleep 0.05; done",
            ended.display(),
            ready.display()
        );
        let child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        assert!(wait_until(Duration::from_secs(10), || ready.exists()));
        stop(child, "sh", Duration::from_secs(10));
        assert!(ended.exists());
    }

    #[test]
    fn a_child_that_ignores_sigterm_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let ready = dir.path().join("ready");
        let script = format!("trap '' TERM; touch {}; while :; do sleep 0.05; done", ready.display());
        let child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        let pid = child.id();
        assert!(wait_until(Duration::from_secs(10), || ready.exists()));
        stop(child, "sh", Duration::from_millis(300));
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

//! Runs the containers of the parade and removes them, also when the demo ends early.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::parade::{Act, Finale, PARADE};
use crate::{command, process};

const READY: Duration = Duration::from_secs(20);

/// Removes the containers of the parade when dropped.
pub(super) struct Stage;

impl Stage {
    /// Removes what an interrupted demo left behind.
    pub(super) fn clear() -> Self {
        remove_all();
        Self
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        remove_all();
    }
}

/// Runs one container to the end of its part and returns its id.
pub(super) fn perform(act: &Act) -> Result<String> {
    let name = act.container();
    // Most of them fail to start: that is what they are for.
    let started = command::output(&mut run(act));
    let id = command::output(Command::new("docker").args(["inspect", "--format", "{{.Id}}", &name]))
        .with_context(|| match &started {
            Ok(_) => format!("container {name} vanished"),
            Err(error) => format!("container {name} was not created: {error:#}"),
        })?;
    match act.finale {
        Finale::Watch => {}
        Finale::Stop { grace } => {
            if !process::wait_until(READY, || says_ready(&name)) {
                bail!("container {name} does not become ready; see docker logs {name}");
            }
            command::quiet(Command::new("docker").args(["stop", "-t", grace, &name]))?;
        }
    }
    Ok(id)
}

fn run(act: &Act) -> Command {
    let mut run = Command::new("docker");
    run.args(["run", "--detach", "--network", "none", "--name", &act.container()]);
    run.args(act.options).arg(act.image.reference()).args(act.command);
    run
}

fn says_ready(name: &str) -> bool {
    command::output(Command::new("docker").args(["logs", name])).is_ok_and(|log| log.contains("ready"))
}

fn remove_all() {
    let mut remove = Command::new("docker");
    remove.args(["rm", "--force", "--volumes"]).args(PARADE.iter().map(Act::container));
    command::succeeds(&mut remove);
}

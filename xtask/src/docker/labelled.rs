//! The containers of one task: started with its label and removed by it, also when the task ends early.

use std::process::Command;

use crate::command;

const KEY: &str = "gomon.xtask";

/// Removes all containers of a task when dropped.
pub(crate) struct Labelled(&'static str);

impl Labelled {
    /// Removes what an interrupted run of the task left behind.
    pub(crate) fn clear(task: &'static str) -> Self {
        let labelled = Self(task);
        labelled.remove_all();
        labelled
    }

    /// The option of `docker run` and `docker create` that makes a container one of these.
    pub(crate) fn option(&self) -> String {
        format!("--label={KEY}={}", self.0)
    }

    fn remove_all(&self) {
        let filter = format!("label={KEY}={}", self.0);
        let list = ["ps", "--all", "--quiet", "--filter", &filter];
        let ids = command::output(Command::new("docker").args(list)).unwrap_or_default();
        if !ids.is_empty() {
            let mut remove = Command::new("docker");
            command::succeeds(remove.args(["rm", "--force", "--volumes"]).args(ids.lines()));
        }
    }
}

impl Drop for Labelled {
    fn drop(&mut self) {
        self.remove_all();
    }
}

//! Many containers that do nothing: a cgroup each, with a process that sleeps in it.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use super::place::Place;
use crate::command;

/// Longer than the bench needs them; nothing sleeps on if the bench is killed.
const SECONDS: &str = "600";

/// The containers; they end when dropped.
pub(super) struct Crowd {
    sleepers: Vec<Child>,
    // After the sleepers: a cgroup is removed once it is empty.
    places: Vec<Place>,
}

impl Crowd {
    /// Containers with these numbers, each with a process.
    pub(super) fn gather(root: &Place, numbers: std::ops::RangeInclusive<usize>) -> Result<Self> {
        let sleep = command::find("sleep").context("this machine has no `sleep`")?;
        let mut crowd = Self { sleepers: Vec::new(), places: Vec::new() };
        for number in numbers {
            let place = root.container(number)?;
            let sleeper = start(&place, &sleep);
            crowd.places.push(place);
            crowd.sleepers.push(sleeper?);
        }
        Ok(crowd)
    }
}

fn start(place: &Place, sleep: &Path) -> Result<Child> {
    let mut command = place.command(sleep);
    command.arg(SECONDS).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().context("cannot start a process of a container")
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for sleeper in &mut self.sleepers {
            let _ = sleeper.kill();
        }
        for sleeper in &mut self.sleepers {
            let _ = sleeper.wait();
        }
    }
}

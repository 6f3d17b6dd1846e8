//! The ground on which an agent and the containers it watches run: root, a kernel, Docker, images. Starts no agent.

use anyhow::{Result, bail};

use crate::docker::Daemon;
use crate::fixtures::{self, Image};
use crate::setup::{self, Part};
use crate::{command, kernel};

/// Puts everything in place for `task`, or says what stands in the way. Must be called on the main thread.
pub(crate) fn prepare(task: &str) -> Result<Daemon> {
    if !command::is_root() {
        bail!("`cargo xtask {task}` loads kernel programs and runs containers: run it as root");
    }
    if let Some(why) = kernel::refusal() {
        bail!("this machine cannot run `cargo xtask {task}`: {why}");
    }
    setup::require(&[Part::RustSources, Part::BpfLinker, Part::Tracefs])?;
    setup::require(&Part::CONTAINERS)?;
    let daemon = Daemon::ensure()?;
    fixtures::ensure(&setup::go::ensure()?, &Image::COMMON)?;
    Ok(daemon)
}

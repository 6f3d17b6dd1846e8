//! Mounts tracefs, which classic tracepoints are looked up in.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command;

const MOUNT_POINT: &str = "/sys/kernel/tracing";

pub(super) fn ensure() -> Result<()> {
    if Path::new(MOUNT_POINT).join("events").exists() {
        return Ok(());
    }
    if !command::is_root() {
        bail!("{MOUNT_POINT} is not mounted, or only root may see it");
    }
    command::quiet(Command::new("mount").args(["-t", "tracefs", "nodev", MOUNT_POINT]))
}

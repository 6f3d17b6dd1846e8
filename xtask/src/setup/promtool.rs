//! Takes promtool out of the Prometheus package without installing the server, which would start it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, command, say};

/// Finds promtool, on PATH or in the cache, or fetches it.
pub(super) fn ensure() -> Result<PathBuf> {
    if let Some(found) = command::find("promtool") {
        return Ok(found);
    }
    let cached = cache::dir("promtool")?.join("promtool");
    if !cached.exists() {
        fetch()?;
    }
    if command::succeeds(Command::new(&cached).arg("--version")) {
        Ok(cached)
    } else {
        bail!("{} does not run here", cached.display())
    }
}

/// The directory of the promtool in the cache.
pub(super) fn dir() -> Option<PathBuf> {
    let dir = cache::dir("promtool").ok()?;
    dir.join("promtool").exists().then_some(dir)
}

fn fetch() -> Result<()> {
    say::progress("fetching promtool");
    let apt = command::find("apt-get").context("promtool is not on PATH and this machine has no apt-get")?;
    let downloads = cache::dir("promtool-download")?;
    let download = || {
        let mut download = Command::new(&apt);
        download.args(["download", "--quiet", "-o", "APT::Sandbox::User=root", "prometheus"]);
        command::quiet(download.current_dir(&downloads))
    };
    if let Err(error) = download() {
        if !command::is_root() {
            return Err(error);
        }
        command::quiet(Command::new(&apt).args(["update", "--quiet"]))?;
        download()?;
    }
    let package = fs::read_dir(&downloads)?.flatten().next().context("apt-get download left nothing")?.path();
    let unpacked = downloads.join("unpacked");
    command::quiet(Command::new("dpkg").arg("-x").arg(package).arg(&unpacked))?;
    fs::rename(unpacked.join("usr/bin/promtool"), cache::dir("promtool")?.join("promtool"))?;
    fs::remove_dir_all(downloads)?;
    Ok(())
}

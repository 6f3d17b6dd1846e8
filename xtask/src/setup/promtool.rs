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
        take("prometheus", &["bin/promtool"], "promtool")?;
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

/// Takes programs and folders of a package, by their paths below usr/, into a directory of the cache: programs into it,
/// folders to the same path below it.
pub(super) fn take(package: &str, parts: &[&str], dir: &str) -> Result<()> {
    say::progress(format_args!("fetching {} of the package {package}", parts.join(" and ")));
    let apt = command::find("apt-get").context("it is not on PATH and this machine has no apt-get")?;
    let downloads = cache::dir(&format!("{dir}-download"))?;
    let download = || {
        let mut download = Command::new(&apt);
        download.args(["download", "--quiet", "-o", "APT::Sandbox::User=root", package]);
        command::quiet(download.current_dir(&downloads))
    };
    if let Err(error) = download() {
        if !command::is_root() {
            return Err(error);
        }
        command::quiet(Command::new(&apt).args(["update", "--quiet"]))?;
        download()?;
    }
    let archive = fs::read_dir(&downloads)?.flatten().next().context("apt-get download left nothing")?.path();
    let unpacked = downloads.join("unpacked");
    command::quiet(Command::new("dpkg").arg("-x").arg(archive).arg(&unpacked))?;
    for part in parts {
        let place = cache::dir(dir)?.join(part.strip_prefix("bin/").unwrap_or(part));
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        if place.is_dir() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(unpacked.join("usr").join(part), place)?;
    }
    fs::remove_dir_all(downloads)?;
    Ok(())
}

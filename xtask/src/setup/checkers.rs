//! Programs of others that check what gomon ships: manifests against the schemas of Kubernetes, the list of the image's parts
//! against SPDX. In a virtual environment of Python.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, command, say};

/// The directory in the cache.
const DIR: &str = "checkers";
const PACKAGES: [&str; 2] = ["kubernetes-validate==1.37.0", "spdx-tools==0.8.5"];
const PROGRAMS: [&str; 2] = ["kubernetes-validate", "pyspdxtools"];

/// Finds all, on PATH or in the cache, or fetches them.
pub(super) fn ensure() -> Result<()> {
    let dir = cache::dir(DIR)?;
    let runs = |program: &str| {
        let found = command::find(program).unwrap_or_else(|| dir.join("bin").join(program));
        command::succeeds(Command::new(found).arg("--help"))
    };
    if PROGRAMS.into_iter().all(runs) {
        return Ok(());
    }
    say::progress(format_args!("fetching {}", PACKAGES.join(" and ")));
    let python = command::find("python3").context("this machine has no python3")?;
    // What an earlier try left behind may be of another Python.
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    command::quiet(Command::new(python).args(["-m", "venv"]).arg(&dir))?;
    command::quiet(Command::new(dir.join("bin/pip")).args(["install", "--quiet"]).args(PACKAGES))
}

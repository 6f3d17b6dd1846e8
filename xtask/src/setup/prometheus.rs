//! Takes Prometheus and Alertmanager out of their Debian packages without installing them, which would start both.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::promtool;
use crate::{cache, command};

/// The directory in the cache.
const DIR: &str = "prometheus";
/// Programs, which are called like their packages, and what they cannot do without. The program comes last: where it is
/// in the cache, all is.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("prometheus", &["bin/prometheus"]),
    // Debian's reads its templates at this place below /usr.
    ("prometheus-alertmanager", &["share/prometheus/alertmanager", "bin/prometheus-alertmanager"]),
];

/// Finds both, on PATH or in the cache, or fetches them.
pub(super) fn ensure() -> Result<()> {
    PROGRAMS.iter().try_for_each(|(program, parts)| {
        let found = match command::find(program) {
            Some(found) => found,
            None => cached(program, parts)?,
        };
        if !command::succeeds(Command::new(&found).arg("--version")) {
            bail!("{} does not run here", found.display());
        }
        Ok(())
    })
}

fn cached(program: &str, parts: &[&str]) -> Result<PathBuf> {
    let cached = cache::dir(DIR)?.join(program);
    if !cached.exists() {
        promtool::take(program, parts, DIR)?;
    }
    Ok(cached)
}

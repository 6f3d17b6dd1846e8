//! Brings the standard library's sources into the sysroot of the pinned toolchain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::PrivateSuite;
use crate::{command, say};

const TOOLCHAIN_FILE: &str = include_str!("../../../rust-toolchain.toml");
/// The Debian suite that carries the sources of recent compilers.
const SUITE: &str = "trixie-backports";

pub(super) fn remedy() -> String {
    format!("rustup component add rust-src --toolchain {}", pinned(TOOLCHAIN_FILE).unwrap_or_default())
}

pub(super) fn ensure() -> Result<()> {
    let (version, sysroot) = toolchain()?;
    let library = sysroot.join("lib/rustlib/src/rust/library");
    if library.join("core/src/lib.rs").exists() {
        return Ok(());
    }
    say::progress(format_args!("fetching the sources of the standard library {version}"));
    let Err(from_debian) = from_debian(&version, &library) else { return Ok(()) };
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rust-src", "--toolchain", &version]);
    let Err(from_rustup) = command::quiet(&mut rustup) else { return Ok(()) };
    bail!("neither Debian ({from_debian:#}) nor rustup ({from_rustup:#}) gave the sources of rustc {version}")
}

/// Full version and sysroot of the compiler that cargo uses here.
fn toolchain() -> Result<(String, PathBuf)> {
    let verbose = command::output(Command::new("rustc").arg("-vV"))?;
    let version =
        verbose.lines().find_map(|line| line.strip_prefix("release: ")).context("rustc names no release")?;
    let pinned = pinned(TOOLCHAIN_FILE).context("rust-toolchain.toml names no channel")?;
    if version != pinned {
        bail!("this is rustc {version}, but the project is pinned to {pinned}");
    }
    let sysroot = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok((version.to_owned(), PathBuf::from(sysroot)))
}

fn pinned(toolchain_file: &str) -> Option<&str> {
    let value = toolchain_file.lines().find_map(|line| line.trim().strip_prefix("channel"))?;
    Some(value.trim_start_matches([' ', '=']).trim_matches('"'))
}

fn from_debian(version: &str, library: &Path) -> Result<()> {
    let suite = PrivateSuite::open(SUITE)?;
    let unpacked = suite.unpack("rust-src", version)?;
    let from = unpacked.join(format!("usr/src/rustc-{version}/library"));
    let parent = library.parent().context("the sysroot has no parent")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    // Copied beside its place first: a half copy must not look like the sources.
    let partial = library.with_extension("partial");
    command::quiet(Command::new("cp").arg("-a").arg(&from).arg(&partial))?;
    fs::rename(&partial, library)?;
    suite.discard();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_the_channel() {
        assert_eq!(pinned("# a channel\n[toolchain]\nchannel = \"1.95.0\"\n"), Some("1.95.0"));
        assert!(pinned(TOOLCHAIN_FILE).is_some_and(|version| version.split('.').count() == 3));
    }
}

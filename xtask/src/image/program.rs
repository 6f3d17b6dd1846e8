//! The static program: built for release, stamped with revision and compiler, and proved to need no other file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, elf};

use crate::workspace::{self, Workspace};
use crate::{command, say, setup};

#[cfg(target_arch = "x86_64")]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Builds it; its path.
pub(super) fn build() -> Result<PathBuf> {
    setup::require(&setup::Part::KERNEL_BUILD)?;
    say::progress("building a static gomon for release");
    let mut build = workspace::cargo();
    build.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "monitor",
        "--bin",
        "gomon",
        "--target",
        TARGET,
    ]);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("PATH", setup::path()?);
    build.env("GOMON_REVISION", revision()?);
    build.env("GOMON_RUSTC", command::output(Command::new("rustc").arg("--version"))?);
    if !build.status().context("cannot start cargo")?.success() {
        bail!("gomon does not build as a static program");
    }
    Ok(Workspace::read()?.target_directory.join(TARGET).join("release/gomon"))
}

/// The commit, and whether the tree has been changed since.
fn revision() -> Result<String> {
    let commit = command::output(Command::new("git").args(["rev-parse", "HEAD"]))?;
    let changed = command::output(Command::new("git").args(["status", "--porcelain"]))?;
    Ok(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// No loader, no library.
pub(super) fn check(program: &Path) -> Result<()> {
    let bytes = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let file = ElfFile64::<Endianness>::parse(bytes.as_slice())?;
    let endian = file.elf_header().endian()?;
    for segment in file.elf_program_headers() {
        ensure!(segment.p_type(endian) != elf::PT_INTERP, "{} names a loader", program.display());
        let needed = segment.dynamic(endian, bytes.as_slice())?.unwrap_or_default();
        ensure!(
            needed.iter().all(|entry| entry.tag(endian) != elf::DT_NEEDED),
            "{} needs a library",
            program.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_linked_dynamically_is_refused() {
        let error = check(&std::env::current_exe().unwrap()).unwrap_err().to_string();
        assert!(error.contains("names a loader"), "{error}");
    }
}

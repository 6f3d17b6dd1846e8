//! Installs the linker of the kernel programs, in the one version that fits the LLVM of the pinned compiler.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, say};

const VERSION: &str = "0.10.3";

pub(super) fn remedy() -> String {
    format!("cargo install --locked --force bpf-linker --version {VERSION}")
}

pub(super) fn ensure() -> Result<()> {
    let Some(found) = command::find("bpf-linker") else { return install() };
    let said = command::output(Command::new(&found).arg("--version"))?;
    match said.split_whitespace().last() {
        Some(VERSION) => Ok(()),
        // Other projects may rely on it, so it is not replaced unasked.
        _ => bail!("{} says {said:?}, but {VERSION} is needed", found.display()),
    }
}

fn install() -> Result<()> {
    say::progress(format_args!("compiling bpf-linker {VERSION} (about a minute, once)"));
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--quiet", "--locked", "--debug", "bpf-linker", "--version", VERSION]);
    // A debug build links the same objects and takes half the time.
    command::quiet(cargo.env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    command::find("bpf-linker")
        .map(drop)
        .context("bpf-linker was installed outside of PATH; add cargo's bin directory")
}

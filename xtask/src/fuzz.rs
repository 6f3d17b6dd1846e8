//! `cargo xtask fuzz`: the fuzz targets for as long as one likes, guided by the branches that inputs reach.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    command, say,
    workspace::{self, Workspace},
};

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// The reader; without it all of them, one after the other
    target: Option<String>,
    /// For each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Name the targets and what they read
    #[arg(long)]
    list: bool,
}

/// LLVM counts branches (`SanitizerCoverage`) and tells comparisons; sums that overflow and broken assertions are found too.
const INSTRUMENTED: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=16",
    "-Cdebug-assertions=on",
];

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let workspace = Workspace::read()?;
    let directory = workspace.target_directory.join("fuzz");
    let host = host()?;
    // With a target of its own the flags leave build scripts and macros alone.
    let mut build = workspace::cargo();
    build.args([
        "build",
        "--package=monitor",
        "--no-default-features",
        "--features=fuzzing",
        "--example=fuzz",
    ]);
    build.arg("--target").arg(&host).arg("--target-dir").arg(&directory);
    build.env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTED.join("\x1f")).env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    if !build.status().context("cannot start cargo")?.success() {
        bail!("the fuzz targets do not build");
    }
    let mut fuzz = std::process::Command::new(directory.join(host).join("debug/examples/fuzz"));
    if options.list {
        fuzz.status().context("cannot start the fuzz targets")?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = directory.join("found");
    fuzz.arg(options.target.as_deref().unwrap_or("all"))
        .arg(options.seconds.to_string())
        .arg(".")
        .arg(&found);
    let status = fuzz.status().context("cannot start the fuzz targets")?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    say::error(format_args!(
        "inputs that break a rule are in {}/TARGET/crashes: mend the reader, then move them to tests/fuzz/crashes/TARGET",
        found.display()
    ));
    Ok(ExitCode::FAILURE)
}

/// The triple of this machine.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = command::output(std::process::Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

//! `cargo xtask image`: the container image, made without network of one static program, checked, and its size told.

mod program;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::docker::Daemon;
use crate::workspace::Workspace;
use crate::{command, say};

const DOCKERFILE: &str = "deploy/Dockerfile";
const LIMIT_BYTES: u64 = 64 << 20;

/// What to make.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Name of the image; its tag is the version
    #[arg(long, default_value = "gomon")]
    name: String,
}

/// What the program says of itself.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Build {
    version: String,
    revision: String,
    rustc: String,
    kernel_programs: bool,
}

/// Builds and checks; prints the image's name and size.
pub(crate) fn run(options: &Options) -> Result<()> {
    let daemon = Daemon::ensure()?;
    let program = program::build()?;
    program::check(&program)?;
    let said = version(Command::new(&program))?;
    ensure!(said.kernel_programs, "the kernel programs are not in {}", program.display());
    let context = stage(&program, &said)?;
    let tag = format!("{}:{}", options.name, said.version);
    assemble(&context, &tag, &said)?;
    inspect(&tag, &said)?;
    let size = size(&tag)?;
    ensure!(size <= LIMIT_BYTES, "{tag} has {size} bytes, more than {LIMIT_BYTES}");
    drop(daemon);
    say::result(format_args!("{tag}  {:.1} MiB  revision {}  {}", mib(size), said.revision, said.rustc));
    say::result(format_args!("sbom  {}", context.join(sbom::NAME).display()));
    Ok(())
}

fn version(mut program: Command) -> Result<Build> {
    let text = command::output(program.args(["version", "-o", "json"]))?;
    serde_json::from_str(&text).with_context(|| format!("`gomon version` said: {text}"))
}

/// The directory that docker builds from.
fn stage(program: &Path, said: &Build) -> Result<PathBuf> {
    let context = Workspace::read()?.target_directory.join("image");
    fs::create_dir_all(&context)?;
    for (from, name) in [(program, "gomon"), (Path::new(DOCKERFILE), "Dockerfile")] {
        fs::copy(from, context.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    fs::write(context.join(sbom::NAME), sbom::of(&said.version)?)?;
    Ok(context)
}

fn assemble(context: &Path, tag: &str, said: &Build) -> Result<()> {
    say::progress(format_args!("assembling {tag}"));
    let mut docker = Command::new("docker");
    docker.args(["build", "--quiet", "--network", "none", "--tag", tag]);
    let facts = [("VERSION", &said.version), ("REVISION", &said.revision), ("RUSTC", &said.rustc)];
    for (name, value) in facts {
        docker.arg("--build-arg").arg(format!("{name}={value}"));
    }
    command::quiet(docker.arg(context))
}

/// The program in the image is the one that the labels tell of, and needs nothing else.
fn inspect(tag: &str, said: &Build) -> Result<()> {
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", tag]);
    ensure!(version(docker)? == *said, "the program in {tag} is another one");
    let labels = [
        ("org.opencontainers.image.version", &said.version),
        ("org.opencontainers.image.revision", &said.revision),
        ("dev.gomon.rustc", &said.rustc),
    ];
    for (label, expected) in labels {
        let format = format!("{{{{index .Config.Labels {label:?}}}}}");
        let found = command::output(Command::new("docker").args(["inspect", "--format", &format, tag]))?;
        if found != *expected {
            bail!("label {label} of {tag} is {found:?}, and the program says {expected:?}");
        }
    }
    Ok(())
}

/// Bytes, unpacked.
fn size(tag: &str) -> Result<u64> {
    let text = command::output(Command::new("docker").args(["inspect", "--format", "{{.Size}}", tag]))?;
    text.parse().with_context(|| format!("docker says that {tag} has {text:?} bytes"))
}

#[expect(clippy::cast_precision_loss, reason = "for people, with one digit")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

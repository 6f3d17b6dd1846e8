//! Builds what live tests and the demo run: Go programs that fail in one way each, and the images that hold them.

mod broken;
mod images;
mod key;
mod programs;
mod roots;
mod trust;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

pub(crate) use images::Image;

use crate::docker::Daemon;
use crate::setup::go::{self, Go};
use crate::setup::{self, Part};
use crate::{cache, command, say};

/// The directory that tests find in the variable of the same name.
pub(crate) const VARIABLE: &str = "GOMON_FIXTURES";

/// The fixtures of the present sources, complete.
pub(crate) struct Fixtures {
    /// Holds `bin/`, `libs/`, `certs/`, `bundles/`, `roots/NAME/` and `manifest.json`.
    pub(crate) dir: PathBuf,
}

#[derive(Serialize)]
struct Manifest {
    go: String,
    bin: PathBuf,
    libs: PathBuf,
    programs: Vec<String>,
    images: Vec<ImageEntry>,
}

#[derive(Serialize)]
struct ImageEntry {
    name: &'static str,
    reference: String,
    root: PathBuf,
}

/// Where the sources of the fixtures lie in this checkout.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/live/fixtures")
}

/// Makes programs, root file systems and images, each only when its recipe changed; a Docker daemon must answer.
pub(crate) fn ensure(go: &Go, images: &[Image]) -> Result<Fixtures> {
    let _lock = cache::lock()?;
    let version = go.version()?;
    let recipes = [&version, programs::RECIPE, trust::RECIPE, broken::RECIPE, roots::RECIPE, images::RECIPE];
    let key = key::of(&sources(), &recipes)?;
    let dir = cache::dir("fixtures")?.join(&key);
    if !dir.join("bin").exists() {
        build_programs(go, &dir)?;
        forget_old(&key)?;
    }
    for image in images {
        match image.ensure(&dir, &key) {
            Err(error) if image.is_optional() => {
                say::warning(format_args!("there is no image {}: {error:#}", image.name()));
            }
            done => done?,
        }
    }
    let fixtures = Fixtures { dir };
    fixtures.write_manifest(version)?;
    Ok(fixtures)
}

fn build_programs(go: &Go, dir: &Path) -> Result<()> {
    let partial = dir.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    programs::build(go, &sources(), &partial)?;
    trust::make(&partial)?;
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::rename(&partial, dir).with_context(|| format!("cannot move the fixtures to {}", dir.display()))
}

/// Fixtures of other checkouts may still be in use: only the oldest go.
fn forget_old(current: &str) -> Result<()> {
    const KEPT: usize = 3;
    let mut dirs: Vec<_> = fs::read_dir(cache::dir("fixtures")?)?
        .flatten()
        .filter(|entry| entry.file_name() != current)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    dirs.sort_by(|a, b| b.cmp(a));
    for (_, path) in dirs.iter().skip(KEPT) {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

impl Fixtures {
    fn write_manifest(&self, go: String) -> Result<()> {
        let bin = self.dir.join("bin");
        let mut programs: Vec<String> = fs::read_dir(&bin)?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        programs.sort();
        let images = Image::ALL
            .into_iter()
            .filter(|image| self.root(*image).exists())
            .map(|image| ImageEntry {
                name: image.name(),
                reference: image.reference(),
                root: self.root(image),
            })
            .collect();
        let manifest = Manifest { go, libs: self.dir.join("libs"), bin, programs, images };
        let text = serde_json::to_string_pretty(&manifest)?;
        fs::write(self.dir.join("manifest.json"), text + "\n").context("cannot write the manifest")
    }

    fn root(&self, image: Image) -> PathBuf {
        self.dir.join("roots").join(image.name())
    }
}

/// `cargo xtask fixtures`.
pub(crate) fn run() -> Result<()> {
    setup::require(&Part::CONTAINERS)?;
    let _daemon = Daemon::ensure()?;
    let fixtures = ensure(&go::ensure()?, &Image::ALL)?;
    say::result(fixtures.dir.display());
    Ok(())
}

/// A copy that keeps nothing but the bytes, then gets `mode`.
fn copy_with_mode(from: &Path, to: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Runs a tool by its looked-up path: ordinary users lack the system directories on PATH.
fn tool(name: &str) -> Result<std::process::Command> {
    let path = command::find(name).with_context(|| format!("{name} is not installed"))?;
    Ok(std::process::Command::new(path))
}

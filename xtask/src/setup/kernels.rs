//! Fetches kernels for guests out of Debian's packages into the cache; installs none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::apt::PrivateSuite;
use crate::vm::ORDINARY_SOURCES;
use crate::{cache, say};

/// Where a kernel comes from. Versions vanish from the mirror: the newest of the series is looked up when it is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// Its directory in the cache.
    pub(crate) name: &'static str,
    /// The first suite that has one wins.
    pub(crate) suites: &'static [&'static str],
    /// `6.1` is 6.1.x, `7` is the highest 7.x.
    pub(crate) series: &'static str,
    /// `cloud` or `rt`.
    pub(crate) flavour: &'static str,
}

/// A kernel in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// As `uname -r` says.
    pub(crate) release: String,
    pub(crate) vmlinuz: PathBuf,
}

const PREFIX: &str = "vmlinuz-";

/// What the cache holds of this source.
pub(crate) fn cached(source: &Source) -> Option<Image> {
    let dir = cache::dir("kernels").ok()?.join(source.name);
    fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let release = entry.file_name().to_str()?.strip_prefix(PREFIX)?.to_owned();
        Some(Image { release, vmlinuz: entry.path() })
    })
}

/// The kernels that guests run unless others are named.
pub(super) fn ordinary() -> Result<()> {
    ORDINARY_SOURCES.iter().try_for_each(|source| ensure(source, false).map(drop))
}

/// From the cache, or fetched. `anew` looks for a newer one even if the cache has one.
pub(crate) fn ensure(source: &Source, anew: bool) -> Result<Image> {
    match cached(source) {
        Some(image) if !anew => return Ok(image),
        _ => {}
    }
    let mut failures = Vec::new();
    for suite in source.suites {
        match fetch(source, suite) {
            Ok(image) => return Ok(image),
            Err(error) => failures.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("no kernel {} is to be had: {}", source.name, failures.join("; "))
}

fn fetch(source: &Source, suite: &str) -> Result<Image> {
    say::progress(format_args!("looking for kernel {} in {suite}", source.name));
    let packages = PrivateSuite::open(suite)?;
    let mut names = packages.names(&format!("linux-image-{}", source.series))?;
    names.extend(packages.names(&format!("linux-binary-{}", source.series))?);
    let (package, release) = choose(&names, source)
        .with_context(|| format!("no linux-image-{}.*-{}-amd64", source.series, source.flavour))?;
    let dir = cache::dir("kernels")?.join(source.name);
    let vmlinuz = dir.join(format!("{PREFIX}{release}"));
    if !vmlinuz.exists() {
        say::progress(format_args!("fetching {package}"));
        let archive = packages.download(&package)?;
        let partial = dir.with_extension("partial");
        extract(&archive, &release, &partial)?;
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::rename(&partial, &dir)?;
        packages.discard();
    }
    Ok(Image { release, vmlinuz })
}

/// The package with the highest version and its kernel's release. From 6.19 on `linux-image` only prepares booting,
/// and the kernel itself is in `linux-binary`.
fn choose(names: &[String], source: &Source) -> Option<(String, String)> {
    let suffix = format!("-{}-amd64", source.flavour);
    let fitting = names.iter().filter_map(|name| {
        let (is_binary, release) = match name.strip_prefix("linux-binary-") {
            Some(release) => (true, release),
            None => (false, name.strip_prefix("linux-image-")?),
        };
        let version = release.strip_suffix(suffix.as_str())?;
        version.strip_prefix(source.series)?.starts_with(['.', '+', '-']).then(|| {
            let numbers: Vec<u32> =
                version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
            ((numbers, is_binary), (name.clone(), release.to_owned()))
        })
    });
    fitting.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, chosen)| chosen)
}

/// Leaves `vmlinuz-RELEASE` alone in `dir`: the modules are most of the package, and none is needed.
fn extract(archive: &Path, release: &str, dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    let unpacked = dir.join("unpacked");
    fs::create_dir_all(&unpacked)?;
    let mut package = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb")?;
    let stream = package.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = Command::new("tar");
    tar.arg("-xC").arg(&unpacked).args(["--wildcards", "*/vmlinuz*"]).stdin(stream);
    let status = tar.status().context("cannot start tar")?;
    package.wait()?;
    let places = [format!("boot/vmlinuz-{release}"), format!("usr/lib/modules/{release}/vmlinuz")];
    let found = places.iter().map(|place| unpacked.join(place)).find(|file| file.exists());
    let found = found.with_context(|| format!("{} has no kernel (tar: {status})", archive.display()))?;
    fs::rename(found, dir.join(format!("{PREFIX}{release}")))?;
    fs::remove_dir_all(unpacked)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(series: &'static str, flavour: &'static str, names: &[&str]) -> Option<String> {
        let source = Source { name: "x", suites: &[], series, flavour };
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        choose(&names, &source).map(|(package, _)| package)
    }

    #[test]
    fn the_highest_version_of_the_series_and_flavour_is_chosen() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-10-cloud-amd64",
            "linux-image-6.1.0-11-cloud-amd64-dbg",
            "linux-image-6.1.0-12-cloud-amd64-unsigned",
            "linux-image-6.1.0-13-rt-amd64",
            "linux-image-6.12.0-1-cloud-amd64",
        ];
        assert_eq!(chosen("6.1", "cloud", &names).as_deref(), Some("linux-image-6.1.0-10-cloud-amd64"));
        assert_eq!(chosen("6.1", "rt", &names).as_deref(), Some("linux-image-6.1.0-13-rt-amd64"));
        assert_eq!(chosen("6", "cloud", &names).as_deref(), Some("linux-image-6.12.0-1-cloud-amd64"));
        assert_eq!(chosen("5.10", "cloud", &names), None);
    }

    #[test]
    fn the_package_with_the_kernel_in_it_is_preferred() {
        let names = ["linux-image-7.3.4+deb13-cloud-amd64", "linux-binary-7.3.4+deb13-cloud-amd64"];
        assert_eq!(chosen("7", "cloud", &names).as_deref(), Some("linux-binary-7.3.4+deb13-cloud-amd64"));
    }
}

//! What the machine's own apt offers: installs system packages, finds the mirror, reads other suites privately.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, command, say};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs those of the packages that apt knows; needs root.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if command::find("apt-get").is_none() {
        bail!("this machine has no apt-get; install by hand: {}", packages.join(" "));
    }
    if !command::is_root() {
        bail!("not root; install by hand: apt-get install {}", packages.join(" "));
    }
    if try_install(packages).is_ok() {
        return Ok(());
    }
    say::progress("apt-get update");
    command::quiet(Command::new("apt-get").args(["update", "--quiet"]))?;
    try_install(packages)
}

fn try_install(packages: &[&str]) -> Result<()> {
    let known: Vec<&str> = packages.iter().copied().filter(|name| is_known(name)).collect();
    if known.is_empty() {
        bail!("apt offers none of {}", packages.join(" "));
    }
    say::progress(format_args!("apt-get install {}", known.join(" ")));
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args([
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
    ]);
    command::quiet(apt.args(known))
}

fn is_known(package: &str) -> bool {
    command::output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
        .is_ok_and(|text| !text.is_empty())
}

/// The Debian mirror that the machine itself uses.
pub(crate) fn mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| mirror_in(&text))
}

/// The first URI of a Debian archive, in either of the two formats of sources files.
fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .flat_map(|line| {
            let rest = line.strip_prefix("URIs:").or_else(|| line.strip_prefix("deb ")).unwrap_or_default();
            rest.split_whitespace()
        })
        .find(|word| is_debian_archive(word))
        .map(|word| word.trim_end_matches('/').to_owned())
}

fn is_debian_archive(word: &str) -> bool {
    word.contains("://") && word.trim_end_matches('/').ends_with("/debian")
}

/// Reads one suite of the mirror with lists and caches of its own, so that the system's sources stay as they are.
pub(crate) struct PrivateSuite {
    options: Vec<String>,
    downloads: PathBuf,
    archives: PathBuf,
}

impl PrivateSuite {
    /// Fetches the package lists of the suite.
    pub(crate) fn open(suite: &str) -> Result<Self> {
        for tool in ["apt-get", "dpkg"] {
            command::find(tool).with_context(|| format!("this machine has no {tool}"))?;
        }
        let mirror = mirror().context("no Debian mirror in the apt sources of this machine")?;
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing (package debian-archive-keyring)");
        }
        let dir = cache::dir("apt")?.join(suite);
        for part in ["lists/partial", "cache/archives/partial", "downloads"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let (sources, status) = (dir.join("sources.list"), dir.join("status"));
        fs::write(&sources, format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))?;
        fs::write(&status, "")?;
        let settings = [
            ("Dir::State::Lists", dir.join("lists")),
            ("Dir::State::status", status),
            ("Dir::Cache", dir.join("cache")),
            ("Dir::Etc::SourceList", sources),
            ("Dir::Etc::SourceParts", PathBuf::from("/dev/null")),
            ("Dir::Etc::PreferencesParts", PathBuf::from("/dev/null")),
            // Without it, apt drops to a user that cannot write below the home directory of root.
            ("APT::Sandbox::User", PathBuf::from("root")),
            // Nothing of the system is changed that a lock would protect.
            ("Debug::NoLocking", PathBuf::from("1")),
        ];
        let options = settings
            .iter()
            .flat_map(|(name, value)| ["-o".to_owned(), format!("{name}={}", value.display())])
            .collect();
        let suite = Self { options, downloads: dir.join("downloads"), archives: dir.join("cache/archives") };
        command::quiet(suite.run("apt-get").args(["update", "--quiet"]))?;
        Ok(suite)
    }

    fn run(&self, program: &str) -> Command {
        let mut run = Command::new(program);
        run.args(&self.options);
        run
    }

    /// Names of the packages that begin so.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = command::output(self.run("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Fetches a package, `NAME` or `NAME=VERSION`, and returns its archive.
    pub(crate) fn download(&self, wanted: &str) -> Result<PathBuf> {
        let archive = || -> Result<Option<PathBuf>> {
            let mut files = fs::read_dir(&self.downloads)?.flatten().map(|entry| entry.path());
            Ok(files.find(|path| path.extension().is_some_and(|end| end == "deb")))
        };
        if let Some(old) = archive()? {
            fs::remove_file(old)?;
        }
        command::quiet(
            self.run("apt-get").args(["download", "--quiet", wanted]).current_dir(&self.downloads),
        )?;
        archive()?.context("apt-get download left no package")
    }

    /// Unpacks the package of exactly this upstream version and returns the directory.
    pub(crate) fn unpack(&self, package: &str, upstream: &str) -> Result<PathBuf> {
        let offered = command::output(self.run("apt-cache").args(["madison", package]))?;
        let version = version_of(&offered, upstream)
            .with_context(|| format!("the mirror has no {package} {upstream}; it offers: {offered:?}"))?;
        let archive = self.download(&format!("{package}={version}"))?;
        let unpacked = self.downloads.join("unpacked");
        command::quiet(Command::new("dpkg").arg("-x").arg(&archive).arg(&unpacked))?;
        Ok(unpacked)
    }

    /// Unpacks packages and all that they depend on below a directory, as if nothing were installed.
    pub(crate) fn unpack_with_dependencies(&self, packages: &[&str], target: &Path) -> Result<()> {
        let mut download = self.run("apt-get");
        download.args(["install", "--download-only", "--yes", "--quiet", "--no-install-recommends"]);
        command::quiet(download.args(packages))?;
        for entry in fs::read_dir(&self.archives)? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|end| end == "deb") {
                command::quiet(Command::new("dpkg").arg("-x").arg(&archive).arg(target))?;
                fs::remove_file(&archive)?;
            }
        }
        Ok(())
    }

    /// Removes what was downloaded.
    pub(crate) fn discard(self) {
        let _ = fs::remove_dir_all(&self.downloads);
    }
}

/// The package version of an upstream version in the output of `apt-cache madison`.
fn version_of(madison: &str, upstream: &str) -> Option<String> {
    madison
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|version| version.strip_prefix(upstream).is_some_and(|rest| rest.starts_with(['+', '-', '~'])))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_a_deb822_file() {
        let text = "Types: deb\n# http://old.example/debian\nURIs: http://deb.example.org/debian/\nSuites: bookworm\n";
        assert_eq!(mirror_in(text).as_deref(), Some("http://deb.example.org/debian"));
    }

    #[test]
    fn the_mirror_is_read_from_a_one_line_file() {
        let text = "#deb http://no.example/debian x\ndeb [arch=amd64 signed-by=/k.gpg] https://m.example/debian bookworm main\n";
        assert_eq!(mirror_in(text).as_deref(), Some("https://m.example/debian"));
    }

    #[test]
    fn security_and_vendor_archives_are_no_mirror() {
        let text = "URIs: http://deb.example.org/debian-security\ndeb https://vendor.example/apt sdk main\n";
        assert_eq!(mirror_in(text), None);
    }

    #[test]
    fn only_the_exact_upstream_version_counts() {
        let offered =
            "rust-src | 1.95.01-1 | x\n rust-src | 1.95.0+dfsg1-1~bpo13+1 | http://m trixie-backports/main\n";
        assert_eq!(version_of(offered, "1.95.0").as_deref(), Some("1.95.0+dfsg1-1~bpo13+1"));
        assert_eq!(version_of(offered, "1.94.0"), None);
    }
}

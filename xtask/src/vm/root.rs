//! The file system of a guest, an initramfs: busybox, a static gomon, runc with its libraries, and the containers.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::acts;
use super::cpio::Archive;
use super::ways::WAYS;
use crate::fixtures;
use crate::setup::{self, go};
use crate::workspace::{self, Workspace};
use crate::{cache, command, say};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const GUEST: &str = include_str!("guest.sh");

/// Builds what is not there and packs it; the path of the archive.
pub(super) fn make() -> Result<PathBuf> {
    let gomon = build()?;
    let programs = fixtures::ensure(&go::ensure()?, &[])?.dir.join("bin");
    let path = cache::dir("vm")?.join("initramfs");
    // A guest of another run may have the old one mapped.
    let partial = path.with_extension("partial");
    let file = File::create(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    pack(Archive::new(BufWriter::new(file)), &gomon, &programs)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, &path)?;
    Ok(path)
}

/// Static, so that the guest needs no C library of this machine. Optimised a little: the guest is emulated.
fn build() -> Result<PathBuf> {
    say::progress("building a static gomon");
    let mut build = workspace::cargo();
    build.args(["build", "--quiet", "--package", "monitor", "--bin", "gomon", "--target", TARGET]);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    build.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "false");
    build.env("PATH", setup::path()?);
    if !build.status().context("cannot start cargo")?.success() {
        bail!("gomon does not build as a static program");
    }
    Ok(Workspace::read()?.target_directory.join(TARGET).join("debug/gomon"))
}

fn pack(mut archive: Archive<BufWriter<File>>, gomon: &Path, programs: &Path) -> Result<()> {
    for directory in ["proc", "sys", "dev", "run", "tmp", "container/proc"] {
        archive.directory(directory)?;
    }
    archive.character_device("dev/console", (5, 1))?;
    archive.file("init", 0o755, GUEST.as_bytes())?;
    archive.file("bin/busybox", 0o755, &read(Path::new("/bin/busybox"))?)?;
    archive.link("bin/sh", "busybox")?;
    archive.file("bin/gomon", 0o755, &read(gomon)?)?;
    let runc = command::find("runc").context("runc is not installed")?;
    archive.file("bin/runc", 0o755, &read(&runc)?)?;
    for library in libraries(&runc)? {
        archive.file(library.trim_start_matches('/'), 0o755, &read(Path::new(&library))?)?;
    }
    for program in ["probe.static", "probe.glibc"] {
        archive.file(&format!("container/app/{program}"), 0o755, &read(&programs.join(program))?)?;
    }
    for way in WAYS {
        for (at, act) in acts::of_way(way).enumerate() {
            let path = |name: &str| format!("acts/{}/{at}/{name}", way.name);
            let mut files = vec![
                ("name", format!("{}\n", act.name)),
                ("id", act.id(way)),
                ("config.json", act.config(way).to_string()),
                ("patterns", act.pattern.map(|pattern| format!("{pattern}\n")).unwrap_or_default()),
            ];
            files.extend(act.signal.map(|signal| ("signal", signal.to_owned())));
            for (name, content) in files {
                archive.file(&path(name), 0o644, content.as_bytes())?;
            }
        }
    }
    archive.finish()?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The loader and the shared libraries of a program; none for a static one.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let listed = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    Ok(paths(&String::from_utf8_lossy(&listed.stdout)))
}

/// The absolute paths in the output of ldd.
fn paths(ldd: &str) -> Vec<String> {
    let words = ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_found_in_what_ldd_says() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        assert_eq!(paths(text), ["/lib/x/libc.so.6", "/lib64/ld.so.2"]);
        assert!(paths("\tnot a dynamic executable\n").is_empty());
    }
}

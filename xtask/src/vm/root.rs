//! The file system of a guest, an initramfs: busybox, gomon and runc with their libraries, and the containers.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::acts;
use super::cpio::Archive;
use super::ways::WAYS;
use crate::agent::{self, Profile};
use crate::fixtures;
use crate::setup::go;
use crate::{cache, command};

/// musl's loader, which is its C library too.
const MUSL: &str = "lib/ld-musl-x86_64.so.1";
const GUEST: &str = include_str!("guest.sh");

/// Builds what is not there and packs it; the path of the archive.
pub(super) fn make() -> Result<PathBuf> {
    let gomon = stripped()?;
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

/// What the other tests run, without what only a debugger reads: the guest keeps it in memory.
fn stripped() -> Result<PathBuf> {
    let gomon = agent::build(Profile::Dev)?;
    let stripped = cache::dir("vm")?.join("gomon");
    let mut strip = Command::new(command::find("strip").context("strip is not installed")?);
    command::quiet(strip.arg("-o").arg(&stripped).arg(&gomon))?;
    Ok(stripped)
}

fn pack(mut archive: Archive<BufWriter<File>>, gomon: &Path, programs: &Path) -> Result<()> {
    for directory in ["proc", "sys", "dev", "run", "tmp", "container/proc"] {
        archive.directory(directory)?;
    }
    archive.character_device("dev/console", (5, 1))?;
    archive.file("init", 0o755, GUEST.as_bytes())?;
    archive.file("bin/busybox", 0o755, &read(Path::new("/bin/busybox"))?)?;
    archive.link("bin/sh", "busybox")?;
    let runc = command::find("runc").context("runc is not installed")?;
    let mut needed = BTreeSet::new();
    for (name, program) in [("bin/gomon", gomon), ("bin/runc", &runc)] {
        archive.file(name, 0o755, &read(program)?)?;
        needed.extend(libraries(program)?);
    }
    for library in needed {
        archive.file(library.trim_start_matches('/'), 0o755, &read(Path::new(&library))?)?;
    }
    for program in ["probe.static", "probe.glibc", "probe.musl"] {
        archive.file(&format!("container/app/{program}"), 0o755, &read(&programs.join(program))?)?;
    }
    // glibc's loader is to be absent.
    archive.file(&format!("container/{MUSL}"), 0o755, &read(&Path::new("/").join(MUSL))?)?;
    for way in WAYS {
        for (at, act) in acts::of_way(way).enumerate() {
            for (name, content) in act.files(way) {
                // In the order of names, which is that of the list.
                archive.file(&format!("acts/{}/{at:02}/{name}", way.name), 0o644, content.as_bytes())?;
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

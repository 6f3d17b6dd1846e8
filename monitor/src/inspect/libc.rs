//! Which C library a container's root file system offers, and in which version.

use super::{
    elf::Depth,
    error_text,
    found::{Found, Lookup, LookupError},
    loader::triplet,
    root::ContainerRoot,
    versions,
};
use crate::model::fact::{FileKind, Known, Libc, LibcKind};

const FAMILY: &str = "GLIBC_";
/// `e_machine` of the machines whose multiarch directories are looked into.
const MACHINES: [u16; 8] = [62, 183, 40, 3, 243, 21, 22, 258];
/// The architectures in the names of musl's loaders.
const MUSL_ARCHITECTURES: [&str; 9] =
    ["x86_64", "aarch64", "armhf", "arm", "i386", "riscv64", "powerpc64le", "s390x", "loongarch64"];
/// musl's C library has 0.6 to 0.9 MiB.
const MUSL_LIMIT_BYTES: u64 = 2 << 20;

/// The C library of a root file system; glibc where it has both.
pub(super) fn find(root: &ContainerRoot<'_>) -> Known<Option<Libc>> {
    match glibc(root).and_then(|glibc| glibc.map_or_else(|| musl(root), |found| Ok(Some(found)))) {
        Ok(libc) => Known::Is(libc),
        Err(error) => Known::unknown(error_text(&error)),
    }
}

fn glibc(root: &ContainerRoot<'_>) -> Result<Option<Libc>, LookupError> {
    let triplets = MACHINES.iter().filter_map(|&machine| triplet(machine));
    let multiarch = triplets.flat_map(|triplet| [format!("/lib/{triplet}"), format!("/usr/lib/{triplet}")]);
    let plain = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(str::to_owned);
    for directory in multiarch.chain(plain) {
        let path = format!("{directory}/libc.so.6");
        let Some(found) = regular(root, &path)? else { continue };
        let Ok(image) = root.images().read(found.open()?, found.size_bytes, Depth::Linking) else { continue };
        // A compatibility layer for musl has the name, but no versions.
        let Some(highest) = versions::highest(&image, FAMILY) else { continue };
        let version = highest.strip_prefix(FAMILY).map(str::to_owned);
        return Ok(Some(Libc { kind: LibcKind::Glibc, version, path }));
    }
    Ok(None)
}

fn musl(root: &ContainerRoot<'_>) -> Result<Option<Libc>, LookupError> {
    for architecture in MUSL_ARCHITECTURES {
        let path = format!("/lib/ld-musl-{architecture}.so.1");
        if let Some(found) = regular(root, &path)? {
            let version = found.read(MUSL_LIMIT_BYTES).ok().and_then(|bytes| musl_version(&bytes));
            return Ok(Some(Libc { kind: LibcKind::Musl, version, path }));
        }
    }
    Ok(None)
}

fn regular(root: &ContainerRoot<'_>, path: &str) -> Result<Option<Found>, LookupError> {
    Ok(match root.look(path)? {
        Lookup::Found(found) if found.kind == FileKind::Regular => Some(found),
        Lookup::Found(_) | Lookup::Absent { .. } => None,
    })
}

/// musl keeps its version as a string of three numbers; `None` unless exactly one string looks like that.
pub(super) fn musl_version(bytes: &[u8]) -> Option<String> {
    let mut versions = bytes.split(|&b| b == 0).filter(|text| is_version(text));
    let version = versions.next()?;
    versions.all(|other| other == version).then(|| String::from_utf8_lossy(version).into_owned())
}

fn is_version(text: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    text.len() <= 12 && text.split(|&b| b == b'.').count() == 3 && text.split(|&b| b == b'.').all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_that_looks_like_a_version_is_the_version() {
        assert_eq!(musl_version(b"x\x001.2.3\x00127.0.0.1\x00%d.%d.%d\0").as_deref(), Some("1.2.3"));
        assert_eq!(musl_version(b"\x001.2.3\x009.9.9\0"), None);
        assert_eq!(musl_version(b"nothing"), None);
    }
}

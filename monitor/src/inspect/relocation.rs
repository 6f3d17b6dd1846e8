//! Which symbols musl's loader will not find for a program that was linked against glibc. musl looks for all of them before
//! the program starts, weighs no versions, and gives up after the last. Says nothing where a symbol table cannot be read.

use std::collections::BTreeMap;

use super::{
    elf::{self, Demand, Offer},
    found::Lookup,
    libraries::Object,
    root::ContainerRoot,
};
use crate::model::fact::UnresolvedSymbol;

/// Symbols that are told; one would do to name the cause.
const TOLD_LIMIT: usize = 32;
/// Symbols that all files together ask for, and their bytes.
const WANTED_LIMIT: usize = 1 << 16;
const WANTED_LIMIT_BYTES: usize = 4 << 20;

/// The large-file names of glibc that musl's loader takes for the names without `64` (`get_lfs64` of ldso/dynlink.c, since
/// 1.2.4; before that its library had them).
const LARGE_FILE: [&str; 59] = [
    "__fxstat",
    "__fxstatat",
    "__lxstat",
    "__xstat",
    "aio_cancel",
    "aio_error",
    "aio_fsync",
    "aio_read",
    "aio_return",
    "aio_suspend",
    "aio_write",
    "alphasort",
    "creat",
    "fallocate",
    "fgetpos",
    "fopen",
    "freopen",
    "fseeko",
    "fsetpos",
    "fstat",
    "fstatat",
    "fstatfs",
    "fstatvfs",
    "ftello",
    "ftruncate",
    "ftw",
    "getdents",
    "getrlimit",
    "glob",
    "globfree",
    "lio_listio",
    "lockf",
    "lseek",
    "lstat",
    "mkostemp",
    "mkostemps",
    "mkstemp",
    "mkstemps",
    "mmap",
    "nftw",
    "open",
    "openat",
    "posix_fadvise",
    "posix_fallocate",
    "pread",
    "preadv",
    "prlimit",
    "pwrite",
    "pwritev",
    "readdir",
    "scandir",
    "sendfile",
    "setrlimit",
    "stat",
    "statfs",
    "statvfs",
    "tmpfile",
    "truncate",
    "versionsort",
];

/// The symbols, sorted, at most [`TOLD_LIMIT`]. `objects` is the program with all its libraries, none of them missing;
/// `loader` is the path of musl. Nothing, where the configuration preloads libraries that nobody looked at.
pub(super) fn unresolved(
    root: &ContainerRoot<'_>,
    objects: &[Object],
    loader: &str,
) -> Vec<UnresolvedSymbol> {
    if root.preloads || !objects.iter().any(is_for_glibc) {
        return Vec::new();
    }
    search(root, objects, loader).unwrap_or_default()
}

fn is_for_glibc(object: &Object) -> bool {
    let interpreter = object.image.interpreter.as_deref().and_then(|path| path.rsplit('/').next());
    let is_glibcs = |name: &str| name.starts_with("ld-linux") || name.starts_with("ld64.so");
    object.image.needed.iter().any(|name| name == "libc.so.6" || is_glibcs(name))
        || interpreter.is_some_and(is_glibcs)
}

/// What no file has offered yet: who asks for it, by its place among the objects, and how.
type Wanted = BTreeMap<Vec<u8>, Vec<(usize, Demand)>>;

fn search(root: &ContainerRoot<'_>, objects: &[Object], loader: &str) -> Option<Vec<UnresolvedSymbol>> {
    let mut wanted = all_wanted(root, objects)?;
    let (file, size_bytes) = open(root, loader)?;
    elf::offered(file, size_bytes, |name, offer| {
        meet(&mut wanted, name, offer, false);
        if let Some(large) = large_file_name(name) {
            meet(&mut wanted, &large, offer, false);
        }
    })?;
    for (index, object) in objects.iter().enumerate() {
        if wanted.is_empty() {
            break;
        }
        let (file, size_bytes) = open(root, &object.path)?;
        elf::offered(file, size_bytes, |name, offer| meet(&mut wanted, name, offer, index == 0))?;
    }
    let mut unresolved: Vec<UnresolvedSymbol> = Vec::new();
    for (name, demands) in wanted {
        let symbol = String::from_utf8_lossy(&name).into_owned();
        let mut by: Vec<&str> =
            demands.iter().filter_map(|(index, _)| Some(objects.get(*index)?.path.as_str())).collect();
        by.sort_unstable();
        by.dedup();
        let by = by
            .into_iter()
            .map(|path| UnresolvedSymbol { symbol: symbol.clone(), wanted_by: path.to_owned() });
        unresolved.extend(by.take(TOLD_LIMIT.saturating_sub(unresolved.len())));
    }
    Some(unresolved)
}

fn all_wanted(root: &ContainerRoot<'_>, objects: &[Object]) -> Option<Wanted> {
    let (mut wanted, mut count, mut bytes) = (Wanted::new(), 0_usize, 0_usize);
    for (index, object) in objects.iter().enumerate() {
        let (file, size_bytes) = open(root, &object.path)?;
        for (name, demand) in elf::wanted(file, size_bytes)? {
            count = count.saturating_add(1);
            bytes = bytes.saturating_add(name.len());
            if count > WANTED_LIMIT || bytes > WANTED_LIMIT_BYTES {
                return None;
            }
            wanted.entry(name).or_default().push((index, demand));
        }
    }
    Some(wanted)
}

fn open(root: &ContainerRoot<'_>, path: &str) -> Option<(std::fs::File, u64)> {
    match root.look(path).ok()? {
        Lookup::Found(found) => Some((found.open().ok()?, found.size_bytes)),
        Lookup::Absent { .. } => None,
    }
}

fn meet(wanted: &mut Wanted, name: &[u8], offer: Offer, by_program: bool) {
    let Some(demands) = wanted.get_mut(name) else { return };
    demands.retain(|(_, demand)| !demand.is_met_by(offer, by_program));
    if demands.is_empty() {
        wanted.remove(name);
    }
}

fn large_file_name(name: &[u8]) -> Option<Vec<u8>> {
    if name == b"readdir_r" {
        return Some(b"readdir64_r".to_vec());
    }
    let is_one = LARGE_FILE.iter().any(|one| one.as_bytes() == name);
    is_one.then(|| [name, b"64"].concat())
}

#[cfg(test)]
mod tests;

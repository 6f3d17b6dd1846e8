//! Reads `/etc/ld.so.cache`, which glibc's loader trusts more than any directory. Pure; never panics on a damaged cache.

use std::collections::HashMap;

/// Format of glibc 2.2 and later (sysdeps/generic/dl-cache.h), the only one since 2.32.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Before 2.32 the cache begins with the format of libc5: a 16-byte header and 12 bytes an entry.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
const ENTRY_LIMIT: usize = 65_536;
/// `PATH_MAX`.
const STRING_LIMIT_BYTES: usize = 4096;
/// Entries share the ends of their strings, and in a crafted cache whole ones: no honest cache unfolds to more than that
/// many times its size.
const UNFOLDED: usize = 8;

/// Paths by library name, in the order of the cache. Empty where there is none that the loader would take for one; `None`
/// where there is one that gomon cannot read to its end.
pub(super) fn parse(bytes: &[u8]) -> Option<HashMap<String, Vec<String>>> {
    let current = if bytes.starts_with(OLD_MAGIC) { behind_old_format(bytes)? } else { bytes };
    if current.starts_with(MAGIC) { entries(current) } else { Some(HashMap::new()) }
}

fn behind_old_format(bytes: &[u8]) -> Option<&[u8]> {
    let old = usize::try_from(word(bytes, 12)?).ok()?.checked_mul(12)?.checked_add(16)?;
    bytes.get(old.checked_next_multiple_of(8)?..)
}

fn entries(cache: &[u8]) -> Option<HashMap<String, Vec<String>>> {
    let count = usize::try_from(word(cache, 20)?).ok().filter(|&count| count <= ENTRY_LIMIT)?;
    let mut left = cache.len().saturating_mul(UNFOLDED);
    let mut paths: HashMap<String, Vec<String>> = HashMap::new();
    let table = cache.get(HEADER_BYTES..)?.get(..count.checked_mul(ENTRY_BYTES)?)?;
    for entry in table.chunks_exact(ENTRY_BYTES) {
        // Flags come first; key and value are offsets of strings from the start of this format.
        let (name, path) = (string(cache, word(entry, 4)?)?, string(cache, word(entry, 8)?)?);
        left = left.checked_sub(name.len().saturating_add(path.len()))?;
        paths.entry(name).or_default().push(path);
    }
    Some(paths)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    // A cache is written in the order of its machine; all current ones are little-endian but s390x.
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn string(bytes: &[u8], at: u32) -> Option<String> {
    let rest = bytes.get(usize::try_from(at).ok()?..)?;
    let text = rest.get(..memchr::memchr(0, rest.get(..rest.len().min(STRING_LIMIT_BYTES))?)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with these entries, optionally behind an empty one of the old format.
    fn cache(libraries: &[(&str, &str)], old: bool) -> Vec<u8> {
        let mut strings = Vec::new();
        let first = HEADER_BYTES + ENTRY_BYTES * libraries.len();
        let mut table = Vec::new();
        for (name, path) in libraries {
            let mut at = |text: &str| {
                let offset = u32::try_from(first + strings.len()).unwrap();
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
                offset
            };
            for word in [0x0303, at(name), at(path), 0, 0, 0] {
                table.extend_from_slice(&u32::to_le_bytes(word));
            }
        }
        let mut out = Vec::new();
        if old {
            out.extend_from_slice(b"ld.so-1.7.0\0\x01\0\0\0");
            out.extend_from_slice(&[0; 12]);
            out.resize(32, 0);
        }
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&u32::try_from(libraries.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&[0; HEADER_BYTES - 24]);
        out.extend(table);
        out.extend(strings);
        out
    }

    #[test]
    fn both_layouts_give_paths_by_name() {
        for old in [false, true] {
            let libraries = [("libc.so.6", "/lib/libc.so.6"), ("libx.so", "/opt/libx.so")];
            let parsed = parse(&cache(&libraries, old)).unwrap();
            assert_eq!(parsed["libx.so"], ["/opt/libx.so"], "old: {old}");
            assert_eq!(parsed.len(), 2);
        }
    }

    #[test]
    fn a_cut_cache_is_not_an_empty_one_and_no_cache_is() {
        let whole = cache(&[("libc.so.6", "/lib/libc.so.6")], false);
        for cut in MAGIC.len()..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "cut at {cut}");
        }
        for none in [&b""[..], b"something else", &whole[..10]] {
            assert_eq!(parse(none), Some(HashMap::new()));
        }
    }

    #[test]
    fn entries_that_all_mean_the_same_long_string_cost_no_memory() {
        let long = "x".repeat(4000);
        let mut forged = cache(&[(&long, &long)], false);
        let entry = forged[HEADER_BYTES..HEADER_BYTES + ENTRY_BYTES].to_vec();
        let count = 10_000_u32;
        forged.splice(HEADER_BYTES..HEADER_BYTES, entry.repeat(count as usize - 1));
        forged[20..24].copy_from_slice(&count.to_le_bytes());
        for entry in forged[HEADER_BYTES..].chunks_exact_mut(ENTRY_BYTES).take(count as usize) {
            let at = u32::try_from(HEADER_BYTES + ENTRY_BYTES * count as usize).unwrap();
            entry[4..8].copy_from_slice(&at.to_le_bytes());
            entry[8..12].copy_from_slice(&at.to_le_bytes());
        }
        assert_eq!(parse(&forged), None);
    }
}

//! Reads `/etc/ld.so.cache`, which glibc's loader trusts more than any directory. Pure; never panics on a damaged cache.

use std::collections::HashMap;

/// Format of glibc 2.2 and later (sysdeps/generic/dl-cache.h), the only one since 2.32.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Before 2.32 the cache begins with the format of libc5: a 16-byte header and 12 bytes an entry.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const HEADER_BYTES: usize = 48;
const ENTRY_BYTES: usize = 24;
const ENTRY_LIMIT: usize = 65_536;

/// Paths by library name, in the order of the cache. Empty where there is no cache or it is damaged.
pub(super) fn parse(bytes: &[u8]) -> HashMap<String, Vec<String>> {
    current_format(bytes).and_then(entries).unwrap_or_default()
}

fn current_format(bytes: &[u8]) -> Option<&[u8]> {
    if !bytes.starts_with(OLD_MAGIC) {
        return Some(bytes);
    }
    let old = usize::try_from(word(bytes, 12)?).ok()?.checked_mul(12)?.checked_add(16)?;
    bytes.get(old.checked_next_multiple_of(8)?..)
}

fn entries(cache: &[u8]) -> Option<HashMap<String, Vec<String>>> {
    if !cache.starts_with(MAGIC) {
        return None;
    }
    let count = usize::try_from(word(cache, 20)?).ok()?.min(ENTRY_LIMIT);
    let mut paths: HashMap<String, Vec<String>> = HashMap::new();
    for entry in cache.get(HEADER_BYTES..)?.chunks_exact(ENTRY_BYTES).take(count) {
        // Flags come first; key and value are offsets of strings from the start of this format.
        let (name, path) = (string(cache, word(entry, 4)?)?, string(cache, word(entry, 8)?)?);
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
    let text = bytes.get(usize::try_from(at).ok()?..)?.split(|&b| b == 0).next()?;
    Some(String::from_utf8_lossy(text.get(..text.len().min(4096))?).into_owned())
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
            let parsed = parse(&cache(&[("libc.so.6", "/lib/libc.so.6"), ("libx.so", "/opt/libx.so")], old));
            assert_eq!(parsed["libx.so"], ["/opt/libx.so"], "old: {old}");
            assert_eq!(parsed.len(), 2);
        }
    }

    #[test]
    fn every_cut_of_a_cache_is_survived() {
        let whole = cache(&[("libc.so.6", "/lib/libc.so.6")], true);
        for cut in 0..whole.len() {
            parse(&whole[..cut]);
        }
    }
}

//! Go's build information inside an ELF file: what `go version -m` prints. Any binary may claim to be Go; sizes are capped.

use std::collections::BTreeMap;

use object::{
    Endianness,
    read::{
        ReadRef,
        elf::{FileHeader, SectionHeader},
    },
};

use super::elf::Parts;
use crate::model::fact::{GoBuild, Known};

/// Marks the 32-byte header, at a multiple of 16 bytes.
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER_BYTES: u64 = 32;
/// Flag: the strings follow the header (Go 1.18 and later); without it, pointers to them.
const INLINE: u8 = 2;
const BIG_ENDIAN: u8 = 1;
/// Without section headers the first writable segment is searched, no further than this.
const SEARCH_LIMIT_BYTES: u64 = 1 << 20;
const VERSION_LIMIT_BYTES: u64 = 1 << 10;
const MODULE_LIMIT_BYTES: u64 = 1 << 20;
const LIST_LIMIT: usize = 2048;
const VALUE_LIMIT_BYTES: usize = 4 << 10;

/// The build information, `Is(None)` where the file has none.
pub(super) fn read<E: FileHeader<Endian = Endianness>>(parts: &Parts<'_, E>) -> Known<Option<GoBuild>> {
    let at = match find(parts) {
        Ok(Some(at)) => at,
        Ok(None) => return Known::Is(None),
        Err(Unreadable) => return Known::unknown("the part with Go's build information cannot be read"),
    };
    match strings(parts, at) {
        Some((version, module)) => Known::Is(Some(parse(&version, &module))),
        None => Known::unknown("Go's build information is damaged"),
    }
}

/// A part of the file that is there.
struct Unreadable;

/// The offset of the header in the file, where it has one.
fn find<E: FileHeader<Endian = Endianness>>(parts: &Parts<'_, E>) -> Result<Option<u64>, Unreadable> {
    let section = parts.header.sections(parts.endian, parts.data).ok().and_then(|sections| {
        let (_, section) = sections.section_by_name(parts.endian, b".go.buildinfo")?;
        section.file_range(parts.endian)
    });
    let Some((start, size)) = section.or_else(|| parts.first_writable()) else { return Ok(None) };
    let length = parts.data.len().map_err(|()| Unreadable)?;
    let size = size.min(SEARCH_LIMIT_BYTES).min(length.saturating_sub(start));
    let bytes = parts.data.read_bytes_at(start, size).map_err(|()| Unreadable)?;
    let place = bytes.chunks(ALIGNMENT).position(|chunk| chunk.starts_with(MAGIC));
    Ok(place.and_then(|place| start.checked_add(u64::try_from(place.checked_mul(ALIGNMENT)?).ok()?)))
}

/// The version and the module text.
fn strings<E: FileHeader<Endian = Endianness>>(parts: &Parts<'_, E>, at: u64) -> Option<(String, String)> {
    let header = parts.data.read_bytes_at(at, HEADER_BYTES).ok()?;
    let (&pointer_bytes, &flags) = (header.get(14)?, header.get(15)?);
    if flags & INLINE != 0 {
        let mut cursor = at.checked_add(HEADER_BYTES)?;
        let version = inline(parts, &mut cursor, VERSION_LIMIT_BYTES)?;
        let module = inline(parts, &mut cursor, MODULE_LIMIT_BYTES)?;
        return Some((text(version), text(unwrapped(module))));
    }
    let pointers = Pointers { bytes: u64::from(pointer_bytes), big_endian: flags & BIG_ENDIAN != 0 };
    if !matches!(pointers.bytes, 4 | 8) {
        return None;
    }
    let version = pointers.string(parts, at.checked_add(16)?, VERSION_LIMIT_BYTES)?;
    let module = pointers.string(parts, at.checked_add(16 + pointers.bytes)?, MODULE_LIMIT_BYTES);
    Some((text(version), text(unwrapped(module.unwrap_or_default()))))
}

/// A length as a varint, then the bytes.
fn inline<'a, E: FileHeader<Endian = Endianness>>(
    parts: &Parts<'a, E>,
    cursor: &mut u64,
    limit: u64,
) -> Option<&'a [u8]> {
    let mut length = 0_u64;
    for shift in (0..35).step_by(7) {
        let &[byte] = parts.data.read_bytes_at(*cursor, 1).ok()? else { return None };
        *cursor = cursor.checked_add(1)?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let bytes = parts.data.read_bytes_at(*cursor, Some(length).filter(|&l| l <= limit)?).ok()?;
            *cursor = cursor.checked_add(length)?;
            return Some(bytes);
        }
    }
    None
}

/// The form of Go 1.17 and earlier: the header points at Go strings.
#[derive(Clone, Copy)]
struct Pointers {
    bytes: u64,
    big_endian: bool,
}

impl Pointers {
    fn word<E: FileHeader<Endian = Endianness>>(self, parts: &Parts<'_, E>, at: u64) -> Option<u64> {
        let bytes = parts.data.read_bytes_at(at, self.bytes).ok()?;
        let add = |word: u64, &byte: &u8| word << 8 | u64::from(byte);
        Some(if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    fn string<'a, E: FileHeader<Endian = Endianness>>(
        self,
        parts: &Parts<'a, E>,
        at: u64,
        limit: u64,
    ) -> Option<&'a [u8]> {
        let (header, _) = parts.locate(self.word(parts, at)?)?;
        let (start, left) = parts.locate(self.word(parts, header)?)?;
        let length = self.word(parts, header.checked_add(self.bytes)?)?;
        parts.data.read_bytes_at(start, Some(length).filter(|&l| l <= limit && l <= left)?).ok()
    }
}

/// The module text without the 16-byte marks around it, which let a debugger find it.
fn unwrapped(module: &[u8]) -> &[u8] {
    let inner = module.len().checked_sub(16).and_then(|end| module.get(16..end)).unwrap_or_default();
    if inner.ends_with(b"\n") { inner } else { &[] }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of the module text: `path`, `mod`, `dep` and `build`, their fields separated by tabs.
fn parse(version: &str, module: &str) -> GoBuild {
    let mut build = GoBuild { version: version.to_owned(), ..GoBuild::default() };
    for line in module.lines() {
        let Some((word, rest)) = line.split_once('\t') else { continue };
        let first = rest.split('\t').next().unwrap_or_default();
        match word {
            "path" => short(first).clone_into(&mut build.main_path),
            "mod" => short(first).clone_into(&mut build.module),
            "dep" if build.dependencies.len() < LIST_LIMIT => {
                build.dependencies.push(short(first).to_owned());
            }
            "build" if build.settings.len() < LIST_LIMIT => setting(rest, &mut build.settings),
            _ => {}
        }
    }
    build
}

/// `name=value`, either of them quoted as a Go string where it has blanks or quotes.
fn setting(text: &str, settings: &mut BTreeMap<String, String>) {
    let Some((name, value)) = text.split_once('=') else { return };
    // A string of Go with its usual escapes is one of JSON too.
    let unquoted = |s: &str| match serde_json::from_str(s) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(_) | Err(_) => s.trim_matches('`').to_owned(),
    };
    settings.insert(short(&unquoted(name)).to_owned(), short(&unquoted(value)).to_owned());
}

fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(VALUE_LIMIT_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::inspect::{
        elf::{self, Depth},
        testing::ElfFile,
    };

    const MODULE: &str = "path\tgomon.test/x\nmod\tgomon.test/x\tv1.2.3\th1:=\ndep\tgolang.org/x/crypto\tv0.1.0\t\n\
        build\tCGO_ENABLED=0\nbuild\t-ldflags=\"-X \\\"a=b\\\"\\t\"\n";

    fn of(data: Vec<u8>, wide: bool, big_endian: bool) -> Known<Option<GoBuild>> {
        let bytes = ElfFile { wide, big_endian, data, ..ElfFile::default() }.build();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        elf::read(file, bytes.len() as u64, Depth::Program).unwrap().go
    }

    fn wrapped(module: &str) -> Vec<u8> {
        [&[0x30; 16], module.as_bytes(), &[0x31; 16]].concat()
    }

    fn with_length(bytes: &[u8]) -> Vec<u8> {
        let length = bytes.len();
        let low = u8::try_from(length & 0x7f).unwrap();
        let mut out =
            if length < 0x80 { vec![low] } else { vec![low | 0x80, u8::try_from(length >> 7).unwrap()] };
        out.extend_from_slice(bytes);
        out
    }

    fn inline_form(version: &str, module: &[u8]) -> Vec<u8> {
        let mut out = vec![0xaa; 32];
        out.extend_from_slice(MAGIC);
        out.extend([8, INLINE]);
        out.resize(64, 0);
        out.extend(with_length(version.as_bytes()));
        out.extend(with_length(module));
        out
    }

    #[test]
    fn the_inline_form_gives_version_module_and_settings() {
        let Known::Is(Some(build)) = of(inline_form("go1.27.3", &wrapped(MODULE)), true, false) else {
            panic!()
        };
        assert_eq!((build.version.as_str(), build.main_path.as_str()), ("go1.27.3", "gomon.test/x"));
        assert_eq!((build.module.as_str(), build.dependencies.len()), ("gomon.test/x", 1));
        assert_eq!(build.settings["CGO_ENABLED"], "0");
        assert_eq!(build.settings["-ldflags"], "-X \"a=b\"\t");
    }

    #[test]
    fn a_program_without_modules_still_has_a_version() {
        let Known::Is(Some(build)) = of(inline_form("go1.20", b""), true, false) else { panic!() };
        assert_eq!((build.version.as_str(), build.module.as_str()), ("go1.20", ""));
    }

    #[test]
    fn the_pointer_form_is_followed_in_both_byte_orders() {
        for (wide, big_endian) in [(true, false), (false, true)] {
            let word = if wide { 8 } else { 4 };
            // The segment's address is its offset, which the header's own length fixes.
            let empty = ElfFile { wide, big_endian, data: vec![0; 16], ..ElfFile::default() }.build();
            let base = empty.len() - 16;
            let mut data = MAGIC.to_vec();
            data.extend([u8::try_from(word).unwrap(), u8::from(big_endian)]);
            let mut push = |value: usize| {
                let all = (value as u64).to_be_bytes();
                let mut part = all[8 - word..].to_vec();
                if !big_endian {
                    part.reverse();
                }
                data.extend(part);
            };
            push(base + 48);
            push(base + 48);
            for _ in 0..(32 - 2 * word) / word {
                push(0);
            }
            push(base + 80);
            push("go1.16".len());
            data.resize(80, 0);
            data.extend_from_slice(b"go1.16");
            let Known::Is(Some(build)) = of(data, wide, big_endian) else { panic!("wide: {wide}") };
            assert_eq!(build.version, "go1.16");
        }
    }

    #[test]
    fn damage_is_unknown_and_lengths_are_not_believed() {
        let whole = inline_form("go1.27.3", &wrapped(MODULE));
        for cut in 64..whole.len() {
            assert!(matches!(of(whole[..cut].to_vec(), true, false), Known::Unknown(_)), "cut at {cut}");
        }
        let mut forged = whole;
        forged[64..69].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(matches!(of(forged, true, false), Known::Unknown(_)));
    }
}

//! ELF files of both classes and byte orders, whole, cut and forged.

use std::{fs::File, io::Write};

use super::*;
use crate::inspect::testing::ElfFile;

fn parsed(bytes: &[u8]) -> Result<Image, ElfError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    read(file, bytes.len() as u64, Depth::Program)
}

fn sample() -> ElfFile {
    ElfFile {
        needed: vec!["libfoo.so", "libc.so.6"],
        soname: Some("libself.so.1"),
        rpath: Some("/r"),
        runpath: Some("$ORIGIN/../lib"),
        needs: vec![("libc.so.6", "GLIBC_2.34", false), ("libc.so.6", "GLIBC_2.99", true)],
        defines: vec!["SELF_1.0", "SELF_1.1"],
        ..ElfFile::program("/lib64/ld-linux-x86-64.so.2", &[])
    }
}

#[test]
fn both_classes_and_byte_orders_read_alike() {
    for (wide, big_endian) in [(true, false), (true, true), (false, false), (false, true)] {
        let image = parsed(&ElfFile { wide, big_endian, machine: 22, ..sample() }.build()).unwrap();
        assert_eq!((image.class, image.machine, image.kind), (if wide { 64 } else { 32 }, 22, 2));
        assert_eq!(image.interpreter.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(image.needed, ["libfoo.so", "libc.so.6"]);
        assert_eq!((image.soname.as_deref(), image.rpath.as_deref()), (Some("libself.so.1"), Some("/r")));
        assert_eq!(image.runpath.as_deref(), Some("$ORIGIN/../lib"));
        let weak: Vec<_> = image.version_needs.iter().map(|n| (n.version.as_str(), n.weak)).collect();
        assert_eq!(weak, [("GLIBC_2.34", false), ("GLIBC_2.99", true)]);
        assert_eq!(image.needs_by_library().len(), 1);
        assert_eq!(image.version_definitions, ["SELF_1.0", "SELF_1.1"]);
        assert_eq!((image.truncated, image.go), (false, Known::Is(None)));
    }
}

#[test]
fn every_cut_of_a_file_is_truncated_or_refused() {
    let whole = sample().build();
    for cut in 4..whole.len() {
        if let Ok(image) = parsed(&whole[..cut]) {
            assert!(image.truncated && image.dynamic_unreadable, "cut at {cut}");
            assert!(matches!(image.go, Known::Unknown(_)), "cut at {cut}");
        }
    }
    assert!(!parsed(&whole).unwrap().truncated);
}

#[test]
fn a_cut_header_still_names_the_machine() {
    let image = parsed(&sample().build()[..40]).unwrap();
    assert_eq!((image.class, image.machine, image.truncated), (64, 62, true));
}

#[test]
fn every_changed_byte_is_survived() {
    let whole = sample().build();
    for at in 4..whole.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut forged = whole.clone();
            forged[at] = value;
            drop(parsed(&forged));
        }
    }
}

#[test]
fn sizes_that_lie_in_a_huge_file_cost_no_memory() {
    let mut forged = sample().build();
    // p_filesz of the dynamic segment, the fourth program header.
    let at = 64 + 3 * 56 + 32;
    forged[at..at + 8].copy_from_slice(&(1_u64 << 30).to_le_bytes());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&forged).unwrap();
    file.set_len(1 << 31).unwrap();
    let image = read(file, 1 << 31, Depth::Program).unwrap();
    assert!(image.interpreter.is_some() && image.dynamic_unreadable);
}

#[test]
fn a_version_table_in_a_circle_ends() {
    let sample = sample();
    let mut forged = sample.build();
    let name = b"SELF_1.1\0";
    let strings_end = forged.windows(name.len()).position(|w| w == name).unwrap() + name.len();
    // vn_next of the first entry, so that it points back at itself as far as 32 bits wrap.
    forged[strings_end + 12..strings_end + 16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(parsed(&forged).unwrap().version_needs.len(), 1);
}

#[test]
fn a_real_binary_reads_as_its_own_test() {
    let file = File::open("/proc/self/exe").unwrap();
    let size = file.metadata().unwrap().len();
    let image = read(file, size, Depth::Program).unwrap();
    assert_eq!(u32::from(image.class), usize::BITS);
    assert!(!image.truncated && image.go == Known::Is(None));
}

/// Where the program header of this type, or the dynamic entry with this tag, begins in a 64-bit file.
fn place(bytes: &[u8], header: u32, tag: Option<u64>) -> usize {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let is_header = |at: &usize| bytes[*at..*at + 4] == header.to_le_bytes();
    let at = (64..).step_by(56).find(is_header).unwrap();
    let Some(tag) = tag else { return at };
    let start = usize::try_from(word(at + 8)).unwrap();
    (start..).step_by(16).find(|entry| word(*entry) == tag).unwrap()
}

#[test]
fn a_loader_or_a_search_path_that_cannot_be_read_is_not_one_that_is_absent() {
    let whole = sample().build();
    let far = (whole.len() as u64 + 1).to_le_bytes();
    let mut loader = whole.clone();
    let at = place(&whole, 3, None) + 8;
    loader[at..at + 8].copy_from_slice(&far);
    let image = parsed(&loader).unwrap();
    assert!(image.dynamic_unreadable && image.interpreter.is_none() && !image.truncated);
    for tag in [15, 29, 14] {
        let mut path = whole.clone();
        let at = place(&whole, 2, Some(tag)) + 8;
        path[at..at + 8].copy_from_slice(&far);
        assert!(parsed(&path).unwrap().dynamic_unreadable, "tag {tag}");
    }
}

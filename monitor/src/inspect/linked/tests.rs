//! Tables of functions, whole, forged and in several forms.

use std::time::Duration;

use super::*;
use crate::inspect::{
    Deadline,
    testing::{ElfFile, TestHost},
};

/// Go's numbers of the forms of its table.
const GO_1_2: u32 = 0xffff_fffb;
const GO_1_16: u32 = 0xffff_fffa;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;

struct Program {
    magic: u32,
    wide: bool,
    big_endian: bool,
    names: Vec<&'static str>,
}

impl Program {
    fn with(names: &[&'static str]) -> Self {
        let names = [&["internal/abi.NoEscape", "runtime.main", "main.main"], names].concat();
        Self { magic: GO_1_20, wide: true, big_endian: false, names }
    }

    /// The table, with something behind the names.
    fn table(&self) -> Vec<u8> {
        let word = if self.wide { 8 } else { 4 };
        let fields = if self.magic == GO_1_16 { 7 } else { 8 };
        let names: Vec<u8> = self.names.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
        let start = 8 + fields * word;
        let mut table = Vec::new();
        let mut push = |value: u64, bytes: usize| {
            let all = if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
            table.extend_from_slice(if self.big_endian { &all[8 - bytes..] } else { &all[..bytes] });
        };
        push(self.magic.into(), 4);
        table_bytes(&mut push, &[0, 0, 1, word as u64]);
        let end = start + names.len();
        let offsets = [start, end, end + 8, end + 16, end + 24];
        for value in vec![1; fields - offsets.len()].into_iter().chain(offsets) {
            push(value as u64, word);
        }
        table.extend(names);
        table.extend_from_slice(&[0x55; 32]);
        table
    }

    fn build(&self, data: Vec<u8>) -> Vec<u8> {
        ElfFile { wide: self.wide, big_endian: self.big_endian, data, ..ElfFile::default() }.build()
    }

    fn linked(&self) -> Known<BTreeSet<String>> {
        linked(&self.build(self.table()))
    }
}

fn table_bytes(push: &mut impl FnMut(u64, usize), bytes: &[u64]) {
    for byte in bytes {
        push(*byte, 1);
    }
}

fn linked(file: &[u8]) -> Known<BTreeSet<String>> {
    find(&TestHost::new().file("/app/x", file).root(), "/app/x")
}

fn packages(names: &[&str]) -> Known<BTreeSet<String>> {
    Known::Is(names.iter().map(|name| (*name).to_owned()).collect())
}

fn reason(linked: &Known<BTreeSet<String>>) -> &str {
    let Known::Unknown(reason) = linked else { panic!("{linked:?}") };
    reason
}

/// A 64-bit file with the headers of an empty section and of one called `name`, where the file has `part`.
fn with_section(mut file: Vec<u8>, name: &str, part: &[u8]) -> Vec<u8> {
    let start = file.windows(part.len()).rposition(|window| window == part).unwrap();
    let names = format!("\0{name}\0.shstrtab\0");
    let names_at = file.len();
    file.extend_from_slice(names.as_bytes());
    file.resize(file.len().next_multiple_of(8), 0);
    let headers_at = file.len();
    let second = 1 + name.len() + 1;
    for (name, kind, offset, size) in
        [(0, 0, 0, 0), (1, 1, start, part.len()), (second, 3, names_at, names.len())]
    {
        let mut header = [0; 64];
        header[0..4].copy_from_slice(&u32::try_from(name).unwrap().to_le_bytes());
        header[4..8].copy_from_slice(&u32::to_le_bytes(kind));
        header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
        file.extend_from_slice(&header);
    }
    file[40..48].copy_from_slice(&(headers_at as u64).to_le_bytes());
    file[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
    file
}

#[test]
fn a_package_is_linked_if_a_function_of_it_is() {
    assert_eq!(Program::with(&[]).linked(), packages(&[]));
    let one = Program::with(&["time/tzdata.init.0", "time/tzdata.get4s"]);
    assert_eq!(one.linked(), packages(&["time/tzdata"]));
    for magic in [GO_1_16, GO_1_18, GO_1_20] {
        for (wide, big_endian) in [(true, false), (true, true), (false, false), (false, true)] {
            let names = ["net/http/pprof.init.0", "main.f", "time/tzdata.init.0"];
            let both = Program { magic, wide, big_endian, ..Program::with(&names) };
            assert_eq!(both.linked(), packages(&["net/http/pprof", "time/tzdata"]), "{magic:x} {wide}");
        }
    }
}

#[test]
fn what_only_looks_like_one_of_its_functions_does_not_count() {
    let program = Program::with(&[
        "example.com/net/http/pprof.Index",
        "net/http/pprofiler.Index",
        "runtime/pprof.init.0",
        "slices.SortFunc[go.shape.[]net/http/pprof.profileEntry]",
        "time/tzdata",
    ]);
    assert_eq!(program.linked(), packages(&[]));
    let text = b"\0net/http/pprof.init.0\0time/tzdata.init.0\0";
    let data = [program.table(), text.to_vec()].concat();
    assert_eq!(linked(&program.build(data)), packages(&[]), "a constant is no function");
}

#[test]
fn names_are_read_across_the_borders_of_blocks() {
    const BLOCK_BYTES: usize = 256 << 10;
    let name = "net/http/pprof.init.0";
    let before: usize = Program::with(&[]).names.iter().map(|name| name.len() + 1).sum();
    for first_half in 0..=name.len() + 1 {
        let filler = "x".repeat(BLOCK_BYTES - before - 1 - first_half).leak();
        assert_eq!(Program::with(&[filler, name]).linked(), packages(&["net/http/pprof"]), "{first_half}");
    }
}

#[test]
fn of_two_tables_the_section_header_tells_which() {
    let (inner, outer) = (Program::with(&["net/http/pprof.init.0"]), Program::with(&["main.outer"]));
    let mut data = inner.table();
    data.resize(data.len().next_multiple_of(8), 0);
    data.extend(outer.table());
    let file = outer.build(data);
    assert!(reason(&linked(&file)).contains("more than one table"));
    for name in [".gopclntab", ".data.rel.ro.gopclntab"] {
        assert_eq!(linked(&with_section(file.clone(), name, &outer.table())), packages(&[]), "{name}");
        let whole = with_section(file.clone(), name, &inner.table());
        assert_eq!(linked(&whole), packages(&["net/http/pprof"]), "{name}");
    }
}

#[test]
fn without_a_whole_table_nobody_knows() {
    let program = Program::with(&["main.f"]);
    assert!(reason(&linked(b"#!/bin/sh\n")).contains("not an ELF file"));
    assert!(reason(&linked(&ElfFile::library(&[]).build())).contains("no table"));
    assert!(reason(&Program { magic: GO_1_2, ..Program::with(&[]) }.linked()).contains("before 1.16"));
    assert!(reason(&Program { magic: 0xffff_fff7, ..Program::with(&[]) }.linked()).contains("no table"));
    let strange = Program { names: vec!["main.main"], ..Program::with(&[]) };
    assert!(reason(&strange.linked()).contains("no table"), "without a runtime it is no program");
    let table = program.table();
    for cut in 0..table.len() - 32 {
        let file = program.build(table[..cut].to_vec());
        assert!(reason(&linked(&file)).contains("no table"), "cut at {cut}");
    }
    let host = TestHost::new().file("/app/x", program.build(table));
    let mut root = host.root();
    assert_eq!(find(&root, "/app/x"), packages(&[]));
    assert_eq!(reason(&find(&root, "/app/y")), "there is no /app/y");
    root.deadline = Deadline::after(Duration::ZERO);
    assert!(reason(&find(&root, "/app/x")).contains("ran out of time"));
}

#[test]
fn every_changed_byte_is_survived() {
    let program = Program::with(&["main.f"]);
    let whole = with_section(program.build(program.table()), ".gopclntab", &program.table());
    let host = TestHost::new().file("/app/x", &whole);
    let root = host.root();
    for at in 4..whole.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut forged = whole.clone();
            forged[at] = value;
            std::fs::write(host.inside("/app/x"), forged).unwrap();
            drop(find(&root, "/app/x"));
        }
    }
}

//! Programs of glibc on musl, as musl's loader treats them.

use super::*;
use crate::{
    inspect::testing::{ElfFile, Hash, Symbol, TestHost},
    model::fact::{Content, Known, Libraries},
};

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

fn program(symbols: &[Symbol]) -> ElfFile {
    ElfFile { symbols: symbols.to_vec(), ..ElfFile::program(GLIBC, &["libc.so.6"]) }
}

fn library(symbols: &[Symbol]) -> ElfFile {
    ElfFile { symbols: symbols.to_vec(), ..ElfFile::library(&[]) }
}

fn on_musl(program: &ElfFile, musl: &[Symbol]) -> TestHost {
    let musl = ElfFile {
        wide: program.wide,
        big_endian: program.big_endian,
        machine: program.machine,
        ..library(musl)
    };
    TestHost::new().file("/app/x", program.build()).file(MUSL, musl.build()).link(GLIBC, MUSL)
}

fn libraries(host: &TestHost) -> Libraries {
    let content = host.present("/app/x").content;
    let Known::Is(Content::Elf(elf)) = content else { panic!("{content:?}") };
    let Known::Is(libraries) = elf.libraries else { panic!("{:?}", elf.libraries) };
    libraries
}

fn unresolved(host: &TestHost) -> Vec<String> {
    libraries(host).unresolved.into_iter().map(|one| format!("{} {}", one.symbol, one.wanted_by)).collect()
}

#[test]
fn what_neither_musl_nor_a_library_defines_is_unresolved() {
    let symbols = ["puts", "__fprintf_chk", "helper", "gnu_get_libc_version"].map(Symbol::called);
    let program = ElfFile { needed: vec!["libhelper.so", "libc.so.6"], ..program(&symbols) };
    let helper = library(&[Symbol::defined("helper"), Symbol::taken("__printf_chk"), Symbol::called("puts")]);
    let host = on_musl(&program, &[Symbol::defined("puts")]).file("/lib/libhelper.so", helper.build());
    assert_eq!(
        unresolved(&host),
        ["__fprintf_chk /app/x", "__printf_chk /lib/libhelper.so", "gnu_get_libc_version /app/x"]
    );
}

#[test]
fn both_hash_tables_word_sizes_and_byte_orders_read_alike() {
    let symbols =
        [Symbol::called("puts"), Symbol::called("absent"), Symbol::defined("own"), Symbol::taken("own")];
    for hash in [Hash::Gnu, Hash::Sysv] {
        for (wide, big_endian, machine) in
            [(true, false, 62), (false, false, 3), (true, true, 21), (false, true, 20)]
        {
            let program = ElfFile { wide, big_endian, machine, hash, ..program(&symbols) };
            let host = on_musl(&program, &[Symbol::defined("puts")]);
            assert_eq!(unresolved(&host), ["absent /app/x"], "{hash:?}, wide: {wide}, big: {big_endian}");
        }
    }
}

#[test]
fn what_may_be_absent_or_is_never_asked_for_is_not_missed() {
    let program = program(&[
        Symbol::called("__gmon_start__").weak(),
        Symbol::unused("nobody_asks"),
        Symbol::taken("thread_local").of_kind(6),
    ]);
    assert_eq!(unresolved(&on_musl(&program, &[Symbol::defined("puts")])), ["thread_local /app/x"]);
    let defined = Symbol::defined("thread_local").of_kind(6).at(0);
    assert!(unresolved(&on_musl(&program, &[defined])).is_empty(), "it may lie at the start of its block");
}

#[test]
fn a_call_needs_a_definition_and_a_copy_one_outside_of_the_program() {
    // The address that the program gave a function of others is no function.
    let address = Symbol::taken("function").at(0x4000);
    assert!(unresolved(&on_musl(&program(&[address]), &[Symbol::defined("puts")])).is_empty());
    let call = Symbol::called("function").at(0x4000);
    assert_eq!(unresolved(&on_musl(&program(&[call]), &[Symbol::defined("puts")])), ["function /app/x"]);
    let copy = program(&[Symbol::copied("obstack_alloc_failed_handler")]);
    assert_eq!(
        unresolved(&on_musl(&copy, &[Symbol::defined("puts")])),
        ["obstack_alloc_failed_handler /app/x"]
    );
    let defined = Symbol::defined("obstack_alloc_failed_handler");
    assert!(unresolved(&on_musl(&copy, &[defined])).is_empty());
}

#[test]
fn musl_passes_over_indirect_functions_and_old_versions() {
    let symbols = ["current", "indirect", "old"].map(Symbol::called);
    let program = ElfFile { needed: vec!["libi.so", "libc.so.6"], ..program(&symbols) };
    let library = library(&[
        Symbol::defined("indirect").of_kind(10),
        Symbol::defined("old").old(),
        Symbol::defined("current"),
    ]);
    let host = on_musl(&program, &[Symbol::defined("puts")]).file("/lib/libi.so", library.build());
    assert_eq!(unresolved(&host), ["indirect /app/x", "old /app/x"]);
}

#[test]
fn names_of_large_files_are_those_without_64() {
    let program = program(&["open64", "readdir64_r", "fcntl64"].map(Symbol::called));
    let musl = ["open", "readdir_r", "fcntl"].map(Symbol::defined);
    assert_eq!(unresolved(&on_musl(&program, &musl)), ["fcntl64 /app/x"]);
    assert!(LARGE_FILE.is_sorted());
}

#[test]
fn nothing_is_said_of_programs_made_for_musl_or_with_libraries_that_nobody_looked_at() {
    let symbols = [Symbol::called("absent")];
    let made_for_musl =
        ElfFile { symbols: symbols.to_vec(), ..ElfFile::program(MUSL, &["libc.musl-x86_64.so.1"]) };
    assert!(unresolved(&on_musl(&made_for_musl, &[Symbol::defined("puts")])).is_empty());
    let host = on_musl(&program(&symbols), &[Symbol::defined("puts")]);
    assert_eq!(unresolved(&host).len(), 1);
    assert!(unresolved(&host.env(&["LD_PRELOAD=/lib/libgcompat.so.0"])).is_empty());
    let program = ElfFile { needed: vec!["libc.so.6", "libabsent.so"], ..program(&symbols) };
    let libraries = libraries(&on_musl(&program, &[Symbol::defined("puts")]));
    assert_eq!((libraries.missing.len(), libraries.unresolved.len()), (1, 0));
}

#[test]
fn a_table_that_cannot_be_read_says_nothing() {
    let program = program(&[Symbol::called("absent")]);
    assert!(unresolved(&on_musl(&program, &[])).is_empty(), "musl without symbols is no musl");
    let musl = library(&[Symbol::defined("puts")]).build();
    for at in 64..musl.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut forged = musl.clone();
            forged[at] = value;
            let file = |bytes: &[u8]| {
                let mut file = tempfile::tempfile().unwrap();
                std::io::Write::write_all(&mut file, bytes).unwrap();
                file
            };
            let mut names = 0;
            let read = elf::offered(file(&forged), forged.len() as u64, |_, _| names += 1);
            assert!(read.is_none() || names <= 1, "byte {at} to {value}: {names} names");
            drop(elf::wanted(file(&forged), forged.len() as u64));
        }
    }
}

#[test]
fn no_more_than_a_few_are_told() {
    let names: Vec<&'static str> =
        (0..100).map(|n| &*Box::leak(format!("absent{n:03}").into_boxed_str())).collect();
    let symbols: Vec<Symbol> = names.iter().rev().map(|name| Symbol::called(name)).collect();
    let told = unresolved(&on_musl(&program(&symbols), &[Symbol::defined("puts")]));
    assert_eq!(
        (told.len(), told[0].as_str(), told[31].as_str()),
        (32, "absent000 /app/x", "absent031 /app/x")
    );
}

#[test]
fn a_real_program_asks_for_what_its_own_c_library_offers() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut libraries = maps.split_whitespace().filter(|path| path.ends_with("/libc.so.6"));
    let Some(libc) = libraries.next() else { return };
    let open = |path: &str| {
        let file = std::fs::File::open(path).unwrap();
        let size_bytes = file.metadata().unwrap().len();
        (file, size_bytes)
    };
    let (program, size_bytes) = open("/proc/self/exe");
    let wanted = elf::wanted(program, size_bytes).unwrap();
    let (libc, size_bytes) = open(libc);
    let mut offers = Vec::new();
    elf::offered(libc, size_bytes, |name, offer| offers.push((name.to_vec(), offer))).unwrap();
    assert!(wanted.iter().any(|(name, _)| name == b"__libc_start_main"));
    assert!(offers.contains(&(b"__libc_start_main".to_vec(), Offer::Definition)));
}

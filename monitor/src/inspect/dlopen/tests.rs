//! Containers whose programs can load libraries while they run, and those whose programs cannot.

use std::{cell::RefCell, os::unix::fs::MetadataExt as _};

use crate::{
    inspect::{
        Deadline, DlopenCalls, DlopenFunction, at_birth,
        testing::{ElfFile, Symbol, TestHost},
    },
    model::fact::{Fact, Known},
};

const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";
const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
const PROGRAM: &str = "/app/x";
/// push %rbx; pop %rbx; ret
const CODE: [u8; 3] = [0x53, 0x5b, 0xc3];
/// As tests run on any machine, `e_machine` of this one.
const MACHINE: u16 = super::MACHINE;

/// What `go version` reads: a header at a multiple of 16 bytes, then the version, and no modules.
fn go() -> Vec<u8> {
    let mut data = vec![0xaa; 16];
    data.extend(b"\xff Go buildinf:\x08\x02");
    data.resize(48, 0);
    data.extend(b"\x08go1.27.3\x00");
    data
}

fn program(needed: &[&'static str], asked: &[&'static str]) -> ElfFile {
    let symbols = asked.iter().copied().map(Symbol::called).collect();
    ElfFile { data: go(), symbols, machine: MACHINE, ..ElfFile::program(GLIBC, needed) }
}

/// A C library with these functions at its end.
fn library(names: &[&'static str]) -> ElfFile {
    let with = |at| {
        let defined = |name: &&'static str| Symbol::defined(name).at(at).of_size(CODE.len());
        let symbols = std::iter::once(Symbol::defined("puts")).chain(names.iter().map(defined));
        ElfFile { symbols: symbols.collect(), data: CODE.to_vec(), machine: MACHINE, ..ElfFile::default() }
    };
    with(with(1).build().len() - CODE.len())
}

fn host(program: &ElfFile) -> TestHost {
    TestHost::new().file(GLIBC, library(&[]).build()).file(PROGRAM, program.build())
}

/// The fact, and what was to be watched: the inode of the library, and its functions.
fn watched(host: &TestHost) -> (Known<bool>, Vec<(u64, Vec<DlopenFunction>)>) {
    host.bundle();
    let seen = RefCell::new(Vec::new());
    let watch = |DlopenCalls { library, functions }| {
        seen.borrow_mut().push((library.metadata().unwrap().ino(), functions));
        Known::Is(true)
    };
    let facts = at_birth(&host.host, &TestHost::id().into(), &watch, Deadline::never());
    let fact = facts
        .into_iter()
        .find_map(|fact| if let Fact::DlopenWatched(fact) = fact { Some(fact) } else { None });
    (fact.unwrap(), seen.into_inner())
}

fn inode(host: &TestHost, path: &str) -> u64 {
    host.inside(path).metadata().unwrap().ino()
}

/// Where a library of the test has its functions.
fn code_at(library: &ElfFile) -> u64 {
    (library.build().len() - CODE.len()) as u64
}

fn function(has_namespace: bool, at: u64) -> DlopenFunction {
    DlopenFunction { has_namespace, first_instruction: at, returns: vec![at + 2] }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_c_library_that_a_cgo_program_will_use_is_watched() {
    let libc = library(&["dlopen"]);
    let host = host(&program(&["libc.so.6"], &["dlopen"])).file("/lib/libc.so.6", libc.build());
    let expected = (inode(&host, "/lib/libc.so.6"), vec![function(false, code_at(&libc))]);
    assert_eq!(watched(&host), (Known::Is(true), vec![expected]));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn before_glibc_2_34_it_is_libdl() {
    let libdl = library(&["dlopen"]);
    let host = host(&program(&["libdl.so.2", "libc.so.6"], &["dlopen"]))
        .file("/lib/libc.so.6", library(&[]).build())
        .file("/lib/libdl.so.2", libdl.build());
    let expected = (inode(&host, "/lib/libdl.so.2"), vec![function(false, code_at(&libdl))]);
    assert_eq!(watched(&host), (Known::Is(true), vec![expected]));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn of_musl_it_is_the_loader_whatever_name_it_answers_to() {
    for interpreter in [MUSL, GLIBC] {
        let (libc, asked) = (library(&["dlopen"]), [Symbol::called("dlopen")]);
        let program =
            ElfFile { interpreter: Some(interpreter), symbols: asked.to_vec(), ..program(&["libc.so"], &[]) };
        let host = TestHost::new().file(MUSL, libc.build()).link(GLIBC, MUSL).file(PROGRAM, program.build());
        let expected = (inode(&host, MUSL), vec![function(false, code_at(&libc))]);
        assert_eq!(watched(&host), (Known::Is(true), vec![expected]), "{interpreter}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_library_that_asks_on_behalf_of_the_program_is_enough() {
    let plugin = ElfFile { symbols: vec![Symbol::called("dlsym")], machine: MACHINE, ..ElfFile::default() };
    let host = host(&program(&["libplugin.so", "libc.so.6"], &["puts"]))
        .file("/lib/libc.so.6", library(&["dlopen"]).build())
        .file("/lib/libplugin.so", plugin.build());
    assert_eq!(watched(&host).0, Known::Is(true));
}

#[test]
fn programs_that_cannot_load_libraries_are_left_alone() {
    let libc = library(&["dlopen"]).build();
    let static_go = ElfFile { interpreter: None, ..program(&[], &[]) };
    let no_go = ElfFile { data: Vec::new(), ..program(&["libc.so.6"], &["dlopen"]) };
    for (name, program) in [
        ("it never asks for dlopen", program(&["libc.so.6"], &["puts"])),
        ("it is static", static_go),
        ("it is not Go", no_go),
    ] {
        let host = host(&program).file("/lib/libc.so.6", &libc);
        assert_eq!(watched(&host), (Known::Is(false), Vec::new()), "{name}");
    }
    let script = TestHost::new().file(PROGRAM, "#!/bin/sh\nexec /app/y\n");
    assert_eq!(watched(&script).0, Known::Is(false));
    assert_eq!(watched(&TestHost::new()).0, Known::Is(false), "there is no program");
    let asking = program(&["libc.so.6"], &["dlopen"]).build();
    let no_loader = TestHost::new().file(PROGRAM, &asking).file("/lib/libc.so.6", &libc);
    assert_eq!(watched(&no_loader).0, Known::Is(false), "it will not start");
    let no_libc = TestHost::new().file(PROGRAM, &asking).file(GLIBC, library(&[]).build());
    assert_eq!(watched(&no_libc).0, Known::Is(false), "it will not start");
}

#[test]
fn what_cannot_be_found_out_is_unknown_and_says_why() {
    let unknown = |host: &TestHost| match watched(host) {
        (Known::Unknown(why), seen) if seen.is_empty() => why,
        other => panic!("{other:?}"),
    };
    let asking = program(&["libc.so.6"], &["dlopen"]);
    let no_symbols =
        host(&asking).file("/lib/libc.so.6", ElfFile { machine: MACHINE, ..ElfFile::default() }.build());
    assert_eq!(unknown(&no_symbols), "/lib/libc.so.6 of the container: its symbols cannot be read");
    let mut endless = library(&["dlopen"]);
    endless.data = vec![0x06, 0x06, 0x06];
    let why = unknown(&host(&asking).file("/lib/libc.so.6", endless.build()));
    assert!(why.starts_with("dlopen in /lib/libc.so.6 of the container: "), "{why}");
    let other = program(&["libother.so"], &["dlopen"]);
    let why = unknown(&host(&other).file("/lib/libother.so", library(&["dlopen"]).build()));
    assert_eq!(why, "its C library is none that gomon knows");
    let foreign = ElfFile { wide: false, machine: 3, ..asking.clone() };
    let libc = ElfFile { wide: false, machine: 3, ..library(&["dlopen"]) };
    let foreign = TestHost::new()
        .file(GLIBC, libc.build())
        .file("/lib/libc.so.6", libc.build())
        .file(PROGRAM, foreign.build());
    assert_eq!(unknown(&foreign), "gomon looks into 64-bit programs of its own machine only");
    let without_bundle = TestHost::new();
    let facts =
        at_birth(&without_bundle.host, &TestHost::id().into(), &|_| Known::Is(true), Deadline::never());
    assert!(facts.iter().any(|fact| matches!(fact, Fact::DlopenWatched(Known::Unknown(_)))), "{facts:?}");
}

#[test]
fn a_link_out_of_the_container_leads_back_into_it() {
    let libc = library(&["dlopen"]).build();
    let host = host(&program(&["libc.so.6"], &["dlopen"]))
        .file("/outside/libc.so.6", &libc)
        .link("/lib/libc.so.6", "../../../outside/libc.so.6");
    std::fs::create_dir_all(host.path("/outside")).unwrap();
    std::fs::write(host.path("/outside/libc.so.6"), &libc).unwrap();
    let (_, seen) = watched(&host);
    assert!(seen.iter().all(|(library, _)| *library == inode(&host, "/outside/libc.so.6")));
}

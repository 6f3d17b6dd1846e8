//! Libraries with a few functions, whole and forged, and the C library of this machine.

use std::io::Write as _;

use super::*;
use crate::inspect::testing::{ElfFile, Hash, Symbol};

const CODE: [u8; 4] = [0x53, 0x5b, 0x90, 0xc3];

fn file(bytes: &[u8]) -> (File, u64) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    (file, bytes.len() as u64)
}

fn found(bytes: &[u8]) -> Result<Vec<Function>, FunctionError> {
    let (file, size) = file(bytes);
    functions(file, size, &["dlopen", "dlmopen"])
}

fn asks(bytes: &[u8]) -> Result<bool, FunctionError> {
    let (file, size) = file(bytes);
    asks_for(file, size, &["dlopen", "dlsym"])
}

/// A library with the code at the end, whose offset is told; addresses are offsets.
fn library(hash: Hash, symbols: impl Fn(usize) -> Vec<Symbol>) -> (ElfFile, u64) {
    let with = |at| ElfFile { hash, symbols: symbols(at), data: CODE.to_vec(), ..ElfFile::default() };
    let at = with(1).build().len() - CODE.len();
    (with(at), at as u64)
}

fn defines(at: usize) -> Vec<Symbol> {
    let new = Symbol::defined("dlopen").at(at).of_size(CODE.len());
    let other = Symbol::defined("dlmopen").at(at + 2).of_size(2);
    vec![Symbol::called("malloc"), new, new.old(), Symbol::defined("dlerror").at(at), other]
}

#[test]
fn functions_of_all_versions_are_found_through_both_hash_tables() {
    for hash in [Hash::Gnu, Hash::Sysv] {
        let (elf, at) = library(hash, defines);
        let bytes = elf.build();
        let function = |name, offset, code: &[u8]| Function { name, offset, code: code.to_vec() };
        let expected = [function("dlopen", at, &CODE), function("dlmopen", at + 2, &CODE[2..])];
        assert_eq!(found(&bytes), Ok(expected.to_vec()), "{hash:?}");
        assert_eq!(asks(&bytes), Ok(false), "what it defines it does not ask for");
    }
}

#[test]
fn a_library_without_them_has_none_and_a_file_that_calls_them_asks() {
    for hash in [Hash::Gnu, Hash::Sysv] {
        let (elf, _) = library(hash, |_| vec![Symbol::called("dlsym"), Symbol::defined("own")]);
        let bytes = elf.build();
        assert_eq!((found(&bytes), asks(&bytes)), (Ok(Vec::new()), Ok(true)), "{hash:?}");
    }
    let (elf, _) = library(Hash::Gnu, |_| vec![Symbol::called("dlsymbolic"), Symbol::called("dl")]);
    assert_eq!(asks(&elf.build()), Ok(false));
}

#[test]
fn a_function_that_is_no_code_of_the_file_is_refused() {
    let sized = |at, size| vec![Symbol::defined("dlopen").at(at).of_size(size)];
    let (whole, _) = library(Hash::Gnu, |at| sized(at, CODE.len()));
    assert!(found(&whole.build()).is_ok());
    for (symbols, why) in [
        (sized(1 << 40, 4), "not in the file"),
        (sized(64, 0), "without a size"),
        (sized(64, 1 << 20), "larger than the file"),
        (vec![Symbol::defined("dlopen").at(64).of_size(4).of_kind(10)], "chosen at run time"),
        (vec![Symbol::defined("dlopen").at(64).of_size(4).of_kind(1)], "a variable"),
    ] {
        let (elf, _) = library(Hash::Gnu, |_| symbols.clone());
        assert_eq!(found(&elf.build()), Err(FunctionError::NoCode("dlopen")), "{why}");
    }
    // p_flags of the segment over everything: readable only.
    let mut bytes = whole.build();
    bytes[64 + 4] = 4;
    assert_eq!(found(&bytes), Err(FunctionError::NoCode("dlopen")));
}

#[test]
fn files_without_tables_are_unreadable_and_damage_is_survived() {
    assert_eq!(found(&ElfFile::library(&["libc.so.6"]).build()), Err(FunctionError::Unreadable));
    assert_eq!(found(&ElfFile { wide: false, ..ElfFile::default() }.build()), Err(FunctionError::Unreadable));
    assert_eq!(found(b"\x7fELF"), Err(FunctionError::Unreadable));
    let whole = library(Hash::Gnu, defines).0.build();
    for cut in 0..whole.len() {
        drop((found(&whole[..cut]), asks(&whole[..cut])));
    }
    for at in 4..whole.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut forged = whole.clone();
            forged[at] = value;
            drop((found(&forged), asks(&forged)));
        }
    }
}

#[cfg(target_env = "gnu")]
#[test]
fn the_loader_of_this_machine_finds_the_same_function() {
    use std::os::unix::fs::FileExt as _;

    unsafe extern "C" {
        fn dlopen();
    }
    let address = dlopen as *const () as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    // start-end permissions offset device inode path
    let (path, offset) = maps
        .lines()
        .find_map(|line| {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let within = (number(start)..number(end)).contains(&address);
            let offset = number(fields.nth(1)?);
            within.then(|| (fields.nth(2).unwrap().to_owned(), address - number(start) + offset))
        })
        .unwrap();
    let library = File::open(&path).unwrap();
    let size = library.metadata().unwrap().len();
    let found = functions(library.try_clone().unwrap(), size, &["dlopen", "dlmopen"]).unwrap();
    let function = found.iter().find(|function| function.offset == offset).unwrap();
    assert_eq!(function.name, "dlopen", "{path}");
    let mut code = vec![0; function.code.len()];
    library.read_exact_at(&mut code, offset).unwrap();
    assert_eq!(code, function.code);
    let machine = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
    for function in &found {
        crate::inspect::code::returns(machine, &function.code).unwrap();
    }
    assert_eq!(asks_for(library, size, &["dlopen"]), Ok(false));
}

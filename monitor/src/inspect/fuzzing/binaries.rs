//! ELF files, Go's tables, the loader's cache and machine code.

use std::{fs::File, io::Write, ops::Range};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::{
    fuzzing::{Seed, Told},
    inspect::{
        Deadline, code,
        elf::{self, Depth},
        ldcache, pclntab,
    },
};

/// Sections that nobody needs: with them a table is found by its header.
pub(super) const PCLNTAB: &[Seed] = &[Seed::Bytes(&table())];
pub(super) const BUILDINFO: &[Seed] = &[Seed::Bytes(&build())];

const HEADER: usize = 64 + 56;
const TABLE: usize = 256;

/// An ELF file of 64 bits with one segment that is read, written and executed.
#[expect(clippy::indexing_slicing, reason = "evaluated while it is built: it would not compile")]
const fn elf_file() -> [u8; 1024] {
    let mut file = [0; 1024];
    let head = *b"\x7fELF\x02\x01\x01";
    let fields: [(usize, u64, usize); 12] = [
        (16, 2, 2),
        (18, 62, 2),
        (20, 1, 4),
        (32, 64, 8),
        (52, 64, 2),
        (54, 56, 2),
        (56, 1, 2),
        // p_type, p_flags, p_vaddr, p_filesz, p_memsz
        (64, 1, 4),
        (68, 7, 4),
        (80, 0x1000, 8),
        (96, 1024, 8),
        (104, 1024, 8),
    ];
    put(&mut file, 0, &head);
    let mut index = 0;
    while index < fields.len() {
        let (at, value, width) = fields[index];
        let bytes = value.to_le_bytes();
        let mut byte = 0;
        while byte < width {
            file[at + byte] = bytes[byte];
            byte += 1;
        }
        index += 1;
    }
    file
}

#[expect(clippy::indexing_slicing, reason = "evaluated while it is built: it would not compile")]
const fn put(file: &mut [u8; 1024], at: usize, bytes: &[u8]) {
    let mut index = 0;
    while index < bytes.len() {
        file[at + index] = bytes[index];
        index += 1;
    }
}

/// With a table of functions as Go 1.20 and later write it.
const fn table() -> [u8; 1024] {
    let mut file = elf_file();
    put(&mut file, TABLE, b"\xf1\xff\xff\xff\0\0\x01\x08");
    // The names begin 96 bytes behind the table's start and end 64 bytes later.
    file[TABLE + 8 + 3 * 8] = 96;
    file[TABLE + 8 + 4 * 8] = 160;
    put(&mut file, TABLE + 96, b"runtime.main\0net/http/pprof.init\0time/tzdata.init\0");
    file
}

/// With build information that follows its header.
const fn build() -> [u8; 1024] {
    let mut file = elf_file();
    put(&mut file, TABLE, b"\xff Go buildinf:\x08\x02");
    put(&mut file, TABLE + 32, b"\x08go1.27.3\x4b");
    put(
        &mut file,
        TABLE + 42,
        b"0000000000000000path\tgomon.test/x\nmod\tx\tv1\nbuild\tCGO_ENABLED=1\n1111111111111111",
    );
    file
}

const _: () = assert!(HEADER < TABLE, "the headers end before the table");

/// A file in memory.
pub(super) fn file(bytes: &[u8]) -> Option<(File, u64)> {
    let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC).ok()?);
    file.write_all(bytes).ok()?;
    Some((file, bytes.len() as u64))
}

pub(super) fn image(bytes: &[u8]) -> Told {
    let Some((file, size)) = file(bytes) else { return Told::Nothing };
    let layout = file.try_clone().ok().and_then(|file| elf::layout(file, size, &[b".gopclntab"]));
    for range in layout.iter().flat_map(|layout| layout.section.iter().chain(&layout.loaded)) {
        assert!(range.start.checked_add(range.size).is_some_and(|end| end <= size), "{range:?} of {size}");
    }
    let image = elf::read(file, size, Depth::Program);
    if let Ok(image) = &image {
        drop(image.needs_by_library());
        drop(crate::inspect::versions::highest(image, "GLIBC_"));
    }
    Told::result(image)
}

pub(super) fn symbols(bytes: &[u8]) -> Told {
    let open = || file(bytes);
    let Some((one, size)) = open() else { return Told::Nothing };
    let wanted = elf::wanted(one, size);
    let mut offered = 0_usize;
    let Some((one, size)) = open() else { return Told::Nothing };
    let whole = elf::offered(one, size, |name, _| offered = offered.saturating_add(name.len()));
    let Some((one, size)) = open() else { return Told::Nothing };
    let functions = elf::functions(one, size, &["dlopen", "dlmopen", ""]);
    let Some((one, size)) = open() else { return Told::Nothing };
    let asks = elf::asks_for(one, size, &["dlopen", "dlsym", ""]);
    match (wanted, whole, functions, asks) {
        (None, None, Err(error), Err(_)) => Told::Refused(error.to_string()),
        answers => Told::Value(format!("{answers:?} {offered}")),
    }
}

pub(super) fn pclntab(bytes: &[u8]) -> Told {
    let Some((file, size)) = file(bytes) else { return Told::Nothing };
    let mut names = 0_usize;
    let read =
        pclntab::names(&file, size, Deadline::never(), |name| names = names.saturating_add(name.len()));
    Told::result(read.map(|()| names))
}

pub(super) fn code(bytes: &[u8]) -> Told {
    let answers = [62, 183, 8].map(|machine| code::returns(machine, bytes));
    for offset in answers.iter().flatten().flatten() {
        assert!(*offset < bytes.len() as u64, "a return at {offset} of {}", bytes.len());
    }
    let [answer, ..] = answers;
    Told::result(answer)
}

pub(super) fn ld_cache(bytes: &[u8]) -> Told {
    Told::value(&ldcache::parse(bytes))
}

/// The headers of an ELF file and the tables that its dynamic segment names: there is little else that is read.
pub(super) fn hot(bytes: &[u8]) -> Vec<Range<usize>> {
    let word = |at: usize| {
        let word = bytes.get(at..at.checked_add(8)?)?;
        usize::try_from(u64::from_le_bytes(word.try_into().ok()?)).ok()
    };
    let half = |at: usize| word(at).map(|word| word & 0xffff_ffff);
    let mut hot = vec![0..64, 64..64 + 13 * 56];
    let headers = || (0..16).map(|number| 64 + number * 56);
    let loaded = |address: usize| {
        headers().filter(|&at| half(at) == Some(1)).find_map(|at| {
            let within =
                address.checked_sub(word(at + 16)?).filter(|&within| word(at + 32) > Some(within))?;
            word(at + 8)?.checked_add(within)
        })
    };
    for at in headers().filter(|&at| half(at) == Some(2)) {
        let Some(start) = word(at + 8).filter(|start| *start < bytes.len()) else { continue };
        hot.push(start..start.saturating_add(512));
        for entry in (start..start.saturating_add(512)).step_by(16) {
            let table = word(entry.saturating_add(8)).and_then(loaded);
            hot.extend(table.map(|table| table..table.saturating_add(96)));
        }
    }
    hot
}

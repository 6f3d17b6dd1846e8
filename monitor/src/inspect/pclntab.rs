//! The names of a Go program's functions: in the table with which its runtime unwinds stacks, which neither `-s` nor `-w`
//! leaves out (`debug/gosym` reads it too). Reads in blocks, whatever sizes the table claims.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{
    deadline::Deadline,
    elf::{self, Layout, Range},
};

const SECTIONS: [&[u8]; 2] = [b".gopclntab", b".data.rel.ro.gopclntab"];
const BLOCK_BYTES: usize = 256 << 10;
/// The names of the largest programs take a tenth of it.
const NAMES_LIMIT_BYTES: u64 = 64 << 20;
/// Of a program without section headers.
const SCAN_LIMIT_BYTES: u64 = 256 << 20;
/// What looks like a table's beginning and is none.
const CANDIDATES: usize = 8;
/// Linkers align the table to more.
const ALIGNMENT: usize = 8;
/// No name that anybody asks for is longer.
const NAME_BYTES: usize = 64;
/// Every program has it.
const MAIN: &[u8] = b"runtime.main";

/// A program whose functions cannot be listed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("not an ELF file that gomon can read")]
    NotElf,
    #[error("no table of Go's functions was found in it")]
    NoTable,
    #[error("more than one table of Go's functions was found in it")]
    Several,
    #[error("it has no section headers and is larger than {SCAN_LIMIT_BYTES} bytes")]
    TooLarge,
    #[error("it was built by a Go before 1.16")]
    TooOld,
    #[error("the inspection ran out of time")]
    OutOfTime,
    #[error("cannot read it")]
    Io(#[from] io::Error),
}

/// Hands the names of all functions to `take`, each once or more often and cut after a few bytes. An error: some may be
/// missing. A name that begins with a package's path and a dot is one of its functions.
pub(super) fn names(
    file: &File,
    size_bytes: u64,
    deadline: Deadline,
    mut take: impl FnMut(&[u8]),
) -> Result<(), TableError> {
    let layout = elf::layout(file.try_clone()?, size_bytes, &SECTIONS).ok_or(TableError::NotElf)?;
    let reader = Reader { file, deadline, is_big_endian: layout.is_big_endian };
    let names = match layout.section {
        Some(section) => reader.header(section)?.ok_or(TableError::NoTable)?,
        None => reader.scan(&layout)?,
    };
    if reader.names(names, &mut take)? { Ok(()) } else { Err(TableError::NoTable) }
}

struct Reader<'f> {
    file: &'f File,
    deadline: Deadline,
    is_big_endian: bool,
}

/// What the first bytes of a table say.
enum Version {
    /// Go 1.2 to 1.15: names lie among other things.
    Old,
    /// Go 1.16 and 1.17.
    WithoutText,
    /// Since Go 1.18.
    WithText,
}

impl Reader<'_> {
    /// The part of the table at the start of `at` that has the names; `None` where there is no table.
    fn header(&self, at: Range) -> Result<Option<Range>, TableError> {
        // `pcHeader` of runtime/symtab.go: a magic number, two zeros, two sizes, then words.
        let mut header = [0; 8 + 5 * 8];
        if at.size < header.len() as u64 {
            return Ok(None);
        }
        self.file.read_exact_at(&mut header, at.start)?;
        let (Some(version), Some(&word_bytes)) = (self.version(&header), header.get(7)) else {
            return Ok(None);
        };
        let first = match version {
            Version::Old => return Err(TableError::TooOld),
            Version::WithoutText => 2,
            Version::WithText => 3,
        };
        let words = header.get(8..).unwrap_or_default();
        let mut words =
            words.chunks_exact(usize::from(word_bytes)).skip(first).map(|word| self.integer(word));
        let (Some(start), Some(end)) = (words.next(), words.next()) else { return Ok(None) };
        let size = end.checked_sub(start).filter(|&size| size <= NAMES_LIMIT_BYTES && end <= at.size);
        Ok(size.and_then(|size| Some(Range { start: at.start.checked_add(start)?, size })))
    }

    fn version(&self, header: &[u8]) -> Option<Version> {
        let &[a, b, c, d, 0, 0, 1 | 2 | 4, 4 | 8, ..] = header else { return None };
        match self.integer(&[a, b, c, d]) {
            0xffff_fffb => Some(Version::Old),
            0xffff_fffa => Some(Version::WithoutText),
            0xffff_fff0 | 0xffff_fff1 => Some(Version::WithText),
            _ => None,
        }
    }

    fn integer(&self, bytes: &[u8]) -> u64 {
        let add = |word: u64, &byte: &u8| word << 8 | u64::from(byte);
        if self.is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
    }

    /// Reads names that end with zeros. False where they are not those of a program.
    fn names(&self, range: Range, take: &mut impl FnMut(&[u8])) -> Result<bool, TableError> {
        let (mut name, mut is_program) = (Vec::with_capacity(NAME_BYTES), false);
        self.blocks(range, |block, _| {
            for piece in block.split_inclusive(|&byte| byte == 0) {
                let (text, is_whole) = match piece.split_last() {
                    Some((0, text)) => (text, true),
                    Some(_) | None => (piece, false),
                };
                name.extend(text.iter().take(NAME_BYTES.saturating_sub(name.len())));
                if is_whole {
                    is_program |= name == MAIN;
                    take(&name);
                    name.clear();
                }
            }
            Ok(())
        })?;
        Ok(is_program)
    }

    /// Looks for the table where no section header tells of it. A program may have another one inside of it: with two that
    /// look right, none is. Segments may overlap.
    fn scan(&self, layout: &Layout) -> Result<Range, TableError> {
        let (mut left, mut candidates, mut table) = (SCAN_LIMIT_BYTES, 0, None);
        for part in &layout.loaded {
            let start = part.start.next_multiple_of(ALIGNMENT as u64);
            let end = part.start.saturating_add(part.size);
            let size = end.saturating_sub(start);
            left = left.checked_sub(size).ok_or(TableError::TooLarge)?;
            self.blocks(Range { start, size }, |block, at| {
                for (index, chunk) in block.chunks_exact(ALIGNMENT).enumerate() {
                    if self.version(chunk).is_none() {
                        continue;
                    }
                    candidates += 1;
                    let start = at.saturating_add((index * ALIGNMENT) as u64);
                    let names = self.header(Range { start, size: end.saturating_sub(start) })?;
                    let Some(names) = names.filter(|_| candidates <= CANDIDATES) else { continue };
                    if self.names(names, &mut |_| {})?
                        && table.replace(names).is_some_and(|other| other != names)
                    {
                        return Err(TableError::Several);
                    }
                }
                Ok(())
            })?;
        }
        table.filter(|_| candidates <= CANDIDATES).ok_or(TableError::NoTable)
    }

    /// Hands over a part of the file in blocks, each with its offset.
    fn blocks(
        &self,
        range: Range,
        mut take: impl FnMut(&[u8], u64) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let mut buffer = vec![0; BLOCK_BYTES];
        let (mut at, mut left) = (range.start, range.size);
        while left > 0 {
            if self.deadline.passed() {
                return Err(TableError::OutOfTime);
            }
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
            let block = buffer.get_mut(..size).unwrap_or_default();
            self.file.read_exact_at(block, at)?;
            take(block, at)?;
            at = at.saturating_add(size as u64);
            left = left.saturating_sub(size as u64);
        }
        Ok(())
    }
}

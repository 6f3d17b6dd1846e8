//! The dynamic symbols of an ELF file, as musl's loader sees them: what its relocations ask for and what it offers.
//! Read when asked for, within limits, and never kept.

mod functions;

use std::{cell::Cell, collections::BTreeSet, fs::File};

use object::{
    Endianness, U16, U32,
    elf::{self, FileHeader32, FileHeader64},
    read::{
        ReadRef,
        elf::{FileHeader, Rel, Rela, Sym},
    },
};

use super::{
    super::window::{Pieces, Window, with_pieces},
    Entries, Parts,
};

pub(in crate::inspect) use functions::{Function, FunctionError, asks_for, functions};

/// For all tables of one file.
const BUDGET_BYTES: u64 = 16 << 20;
/// Relocations that are read at a time.
const RELOCATIONS: u64 = 1 << 14;
/// Of one symbol: the longest of C++ have a few thousand.
const NAME_LIMIT_BYTES: usize = 64 << 10;
/// Of all that are looked at in one file, some ten times what the largest libraries have.
const NAMES_LIMIT_BYTES: usize = 64 << 20;
/// Symbols of one file that relocations refer to.
const REFERENCE_LIMIT: usize = 1 << 16;
/// elf.h of glibc.
const VERSYM_HIDDEN: u16 = 0x8000;
/// A chain of a hash table has a few.
const CHAIN_LIMIT: u32 = 1 << 12;

/// How a relocation asks for a symbol (`find_sym` of ldso/dynlink.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::inspect) enum Demand {
    /// An address will do.
    Address,
    /// To call it: a definition.
    Call,
    /// To copy the variable into the program: a definition anywhere else.
    Copy,
}

/// What a file says of a symbol by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inspect) enum Offer {
    Definition,
    /// Where the program itself has fixed the address of a function that others define.
    Address,
}

impl Demand {
    /// Whether an offer meets it, that of the program or of another file.
    pub(in crate::inspect) fn is_met_by(self, offer: Offer, by_program: bool) -> bool {
        match self {
            Self::Address => true,
            Self::Call => offer == Offer::Definition,
            Self::Copy => !by_program,
        }
    }
}

/// The symbols that the loader must find or give up; `None` where a table cannot be read or is too large.
pub(in crate::inspect) fn wanted(file: File, size_bytes: u64) -> Option<Vec<(Vec<u8>, Demand)>> {
    with_pieces(Window::new(file, size_bytes, BUDGET_BYTES), |data| {
        if is_32(data)? {
            Tables::<FileHeader32<Endianness>>::of(data)?.wanted()
        } else {
            Tables::<FileHeader64<Endianness>>::of(data)?.wanted()
        }
    })
}

/// Hands each symbol that other files may use to `take`; `None` where a table cannot be read or is too large.
pub(in crate::inspect) fn offered(
    file: File,
    size_bytes: u64,
    mut take: impl FnMut(&[u8], Offer),
) -> Option<()> {
    with_pieces(Window::new(file, size_bytes, BUDGET_BYTES), |data| {
        if is_32(data)? {
            Tables::<FileHeader32<Endianness>>::of(data)?.offered(&mut take)
        } else {
            Tables::<FileHeader64<Endianness>>::of(data)?.offered(&mut take)
        }
    })
}

fn is_32(data: Pieces<'_>) -> Option<bool> {
    let &[class] = data.read_bytes_at(4, 1).ok()? else { return None };
    Some(class == elf::ELFCLASS32.0)
}

struct Tables<'a, E: FileHeader> {
    parts: Parts<'a, E>,
    entries: Entries,
    strings: &'a [u8],
    /// Bytes of names that may still be looked at: many symbols may have one long name.
    names_left: Cell<usize>,
    /// Offset in the file, and bytes that follow.
    symbols: (u64, u64),
}

impl<'a, E: FileHeader<Endian = Endianness>> Tables<'a, E> {
    fn of(data: Pieces<'a>) -> Option<Self> {
        let header = E::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let parts = Parts { header, endian, data, segments: header.program_headers(endian, data).ok()? };
        let entries = parts.dynamic_entries()?;
        let (strings, left) = parts.locate(entries.value(elf::DT_STRTAB)?)?;
        let size = entries.value(elf::DT_STRSZ).filter(|&size| size <= left)?;
        let strings = data.read_bytes_at(strings, size).ok()?;
        let symbols = parts.locate(entries.value(elf::DT_SYMTAB)?)?;
        let names_left = Cell::new(NAMES_LIMIT_BYTES);
        Some(Self { parts, entries, strings, names_left, symbols })
    }

    /// The symbols up to this number.
    fn symbols(&self, count: u32) -> Option<&'a [E::Sym]> {
        let (start, left) = self.symbols;
        let size = u64::from(count).checked_mul(size_of::<E::Sym>() as u64)?;
        let count = usize::try_from(count).ok()?;
        if size > left { None } else { self.parts.data.read_slice_at(start, count).ok() }
    }

    fn name(&self, symbol: &E::Sym) -> Option<&'a [u8]> {
        let start = usize::try_from(symbol.st_name(self.parts.endian)).ok()?;
        let rest = self.strings.get(start..)?;
        let name = rest.get(..memchr::memchr(0, rest.get(..rest.len().min(NAME_LIMIT_BYTES))?)?)?;
        self.names_left.set(self.names_left.get().checked_sub(name.len())?);
        Some(name)
    }

    /// Whether this is its name.
    fn is_called(&self, symbol: &E::Sym, name: &str) -> bool {
        let start = usize::try_from(symbol.st_name(self.parts.endian)).ok();
        let rest = start.and_then(|start| self.strings.get(start..));
        rest.and_then(|rest| rest.strip_prefix(name.as_bytes())).is_some_and(|rest| rest.first() == Some(&0))
    }

    fn wanted(&self) -> Option<Vec<(Vec<u8>, Demand)>> {
        let references = self.references()?;
        let Some((last, _)) = references.last() else { return Some(Vec::new()) };
        let symbols = self.symbols(last.checked_add(1)?)?;
        let mut wanted = Vec::new();
        for (index, demand) in references {
            let symbol = symbols.get(usize::try_from(index).ok()?)?;
            let may_be_absent = symbol.is_undefined(self.parts.endian) && symbol.st_bind() == elf::STB_WEAK;
            if !may_be_absent && symbol.st_bind() != elf::STB_LOCAL {
                wanted.push((self.name(symbol)?.to_vec(), demand));
            }
        }
        Some(wanted)
    }

    /// The symbols by their numbers that relocations refer to.
    fn references(&self) -> Option<BTreeSet<(u32, Demand)>> {
        let value = |tag| self.entries.value(tag);
        let mut found = BTreeSet::new();
        let relative = value(elf::DT_RELACOUNT).unwrap_or_default();
        let lazy_has_addends = value(elf::DT_PLTREL) == Some(elf::DT_RELA.0.cast_unsigned());
        for (table, size, has_addends, skipped, otherwise) in [
            (elf::DT_JMPREL, elf::DT_PLTRELSZ, lazy_has_addends, 0, Demand::Call),
            (elf::DT_RELA, elf::DT_RELASZ, true, relative, Demand::Address),
            (elf::DT_REL, elf::DT_RELSZ, false, 0, Demand::Address),
        ] {
            let (Some(address), Some(bytes)) = (value(table), value(size).filter(|&size| size > 0)) else {
                continue;
            };
            let (start, _) = self.parts.locate(address).filter(|(_, left)| bytes <= *left)?;
            let mut take = |symbol, kind: elf::RelocationType| {
                let is_copy = copying(self.machine()) == Some(kind.0);
                let demand = if is_copy { Demand::Copy } else { otherwise };
                if symbol != 0 && kind.0 != 0 {
                    found.insert((symbol, demand));
                }
                (found.len() <= REFERENCE_LIMIT).then_some(())
            };
            let endian = self.parts.endian;
            if has_addends {
                self.each::<E::Rela>((start, bytes), skipped, |r| {
                    take(r.r_sym(endian, false), r.r_type(endian, false))
                })?;
            } else {
                self.each::<E::Rel>((start, bytes), skipped, |r| take(r.r_sym(endian), r.r_type(endian)))?;
            }
        }
        Some(found)
    }

    fn machine(&self) -> elf::Machine {
        self.parts.header.e_machine(self.parts.endian)
    }

    /// Reads a table at an offset and of a size in the file, a piece at a time, without its first entries.
    fn each<T: object::Pod>(
        &self,
        (start, bytes): (u64, u64),
        skipped: u64,
        mut take: impl FnMut(&T) -> Option<()>,
    ) -> Option<()> {
        let size = size_of::<T>() as u64;
        let (mut next, count) = (skipped, bytes / size);
        while next < count {
            let piece = (count - next).min(RELOCATIONS);
            let at = start.checked_add(next.checked_mul(size)?)?;
            let entries: &[T] = self.parts.data.read_slice_at(at, usize::try_from(piece).ok()?).ok()?;
            entries.iter().try_for_each(&mut take)?;
            next = next.checked_add(piece)?;
        }
        Some(())
    }

    fn offered(&self, take: &mut impl FnMut(&[u8], Offer)) -> Option<()> {
        let (first, end) = self.hashed()?;
        let is_old = self.old_versions(end)?;
        let first = usize::try_from(first).ok()?;
        for (index, symbol) in self.symbols(end)?.iter().enumerate().skip(first) {
            if let Some(offer) = offer(symbol, self.parts.endian).filter(|_| !is_old(index)) {
                take(self.name(symbol)?, offer);
            }
        }
        Some(())
    }

    /// Which symbols, by number, are of a version that programs are no longer linked against: musl passes them over.
    fn old_versions(&self, count: u32) -> Option<impl Fn(usize) -> bool + use<'a, E>> {
        let versions: &[U16<Endianness>] = match self.entries.value(elf::DT_VERSYM) {
            Some(address) => {
                let (start, _) = self.parts.locate(address)?;
                self.parts.data.read_slice_at(start, usize::try_from(count).ok()?).ok()?
            }
            None => &[],
        };
        let endian = self.parts.endian;
        Some(move |index: usize| {
            versions.get(index).is_some_and(|version| version.get(endian) & VERSYM_HIDDEN != 0)
        })
    }

    /// The symbols that a hash table leads to: the first, and the one after the last.
    fn hashed(&self) -> Option<(u32, u32)> {
        if let Some(address) = self.entries.value(elf::DT_GNU_HASH) {
            return self.gnu_hashed(self.parts.locate(address)?.0);
        }
        // Buckets, then chains, of which each symbol has one.
        let word = if self.machine() == elf::EM_S390 && E::is_type_64_sized() { 8 } else { 4 };
        let (table, _) = self.parts.locate(self.entries.value(elf::DT_HASH)?)?;
        // On that machine a word has 64 bits, of which the lower half comes last.
        Some((1, self.half(table.checked_add(word * 2 - 4)?)?))
    }

    fn gnu_hashed(&self, table: u64) -> Option<(u32, u32)> {
        let [buckets, first, blooms] = [0, 4, 8].map(|offset| self.half(table.checked_add(offset)?));
        let (buckets, first, blooms) = (buckets?, first?, blooms?);
        let blooms_bytes = u64::from(blooms).checked_mul(size_of::<E::Word>() as u64)?;
        let buckets_at = table.checked_add(16)?.checked_add(blooms_bytes)?;
        let count = usize::try_from(buckets).ok()?;
        let heads: &[U32<Endianness>] = self.parts.data.read_slice_at(buckets_at, count).ok()?;
        let last = heads.iter().map(|head| head.get(self.parts.endian)).max().unwrap_or_default();
        if last == 0 {
            return Some((first, first));
        }
        let before = u64::from(buckets).checked_add(u64::from(last.checked_sub(first)?))?;
        let chain_at = buckets_at.checked_add(before.checked_mul(4)?)?;
        // The last of a chain is odd.
        for length in 0..CHAIN_LIMIT {
            if self.half(chain_at.checked_add(u64::from(length) * 4)?)? & 1 == 1 {
                return Some((first, last.checked_add(length)?.checked_add(1)?));
            }
        }
        None
    }

    fn half(&self, at: u64) -> Option<u32> {
        Some(self.parts.data.read_at::<U32<Endianness>>(at).ok()?.get(self.parts.endian))
    }
}

/// What `find_sym2` of musl takes: neither indirect functions nor what is defined at address zero.
fn offer<S: Sym<Endian = Endianness>>(symbol: &S, endian: Endianness) -> Option<Offer> {
    let (kind, bind) = (symbol.st_type(), symbol.st_bind());
    let is_for_all = [elf::STB_GLOBAL, elf::STB_WEAK, elf::STB_GNU_UNIQUE].contains(&bind);
    let kinds = [elf::STT_NOTYPE, elf::STT_OBJECT, elf::STT_FUNC, elf::STT_COMMON, elf::STT_TLS];
    let is_thread_local = kind == elf::STT_TLS;
    let is_somewhere = symbol.st_value(endian).into() != 0;
    if !is_for_all || !kinds.contains(&kind) || !(is_somewhere || is_thread_local) {
        return None;
    }
    match symbol.is_undefined(endian) {
        false => Some(Offer::Definition),
        true if is_thread_local => None,
        true => Some(Offer::Address),
    }
}

/// The relocation that copies a variable, on the machines of musl.
fn copying(machine: elf::Machine) -> Option<u32> {
    Some(match machine {
        elf::EM_X86_64 => elf::R_X86_64_COPY.0,
        elf::EM_AARCH64 => elf::R_AARCH64_COPY.0,
        elf::EM_386 => elf::R_386_COPY.0,
        elf::EM_ARM => elf::R_ARM_COPY.0,
        elf::EM_RISCV => elf::R_RISCV_COPY.0,
        elf::EM_PPC64 => elf::R_PPC64_COPY.0,
        elf::EM_S390 => elf::R_390_COPY.0,
        elf::EM_LOONGARCH => elf::R_LARCH_COPY.0,
        _ => return None,
    })
}

//! The dynamic symbols of an ELF file that a test writes: symbol table, hash table and relocations.

use super::{ElfFile, Writer};

/// Which hash table leads to the symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inspect) enum Hash {
    Gnu,
    Sysv,
}

/// One dynamic symbol.
#[derive(Debug, Clone, Copy)]
pub(in crate::inspect) struct Symbol {
    pub(super) name: &'static str,
    /// `STB_*` and `STT_*`.
    bind: u8,
    kind: u8,
    is_defined: bool,
    value: usize,
    size: usize,
    /// Of a version that is not the default.
    is_old: bool,
    /// The relocation that refers to it.
    relocation: Option<Relocation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relocation {
    /// `R_X86_64_JUMP_SLOT`, in the table of `DT_JMPREL`.
    Call = 7,
    /// `R_X86_64_GLOB_DAT`.
    Address = 6,
    /// `R_X86_64_COPY`.
    Copy = 5,
}

impl Symbol {
    /// A function of others that the file calls.
    pub(in crate::inspect) fn called(name: &'static str) -> Self {
        let relocation = Some(Relocation::Call);
        Self { name, bind: 1, kind: 2, is_defined: false, value: 0, size: 0, is_old: false, relocation }
    }

    /// A symbol of others whose address the file takes.
    pub(in crate::inspect) fn taken(name: &'static str) -> Self {
        Self { relocation: Some(Relocation::Address), ..Self::called(name) }
    }

    /// A variable of others that the program has a copy of.
    pub(in crate::inspect) fn copied(name: &'static str) -> Self {
        Self { relocation: Some(Relocation::Copy), kind: 1, ..Self::defined(name) }
    }

    /// Nothing refers to it.
    pub(in crate::inspect) fn unused(name: &'static str) -> Self {
        Self { relocation: None, ..Self::called(name) }
    }

    /// A function of the file.
    pub(in crate::inspect) fn defined(name: &'static str) -> Self {
        Self { is_defined: true, value: 0x1000, ..Self::unused(name) }
    }

    /// `STB_WEAK`.
    pub(in crate::inspect) fn weak(self) -> Self {
        Self { bind: 2, ..self }
    }

    /// With another `STT_*`.
    pub(in crate::inspect) fn of_kind(self, kind: u8) -> Self {
        Self { kind, ..self }
    }

    /// `name@VERSION` instead of `name@@VERSION`.
    pub(in crate::inspect) fn old(self) -> Self {
        Self { is_old: true, ..self }
    }

    /// With an address of the program's own choice.
    pub(in crate::inspect) fn at(self, value: usize) -> Self {
        Self { value, ..self }
    }

    /// With so many bytes of code.
    pub(in crate::inspect) fn of_size(self, size: usize) -> Self {
        Self { size, ..self }
    }
}

/// The tables, and the entries of the dynamic segment that lead to them.
pub(super) struct Tables {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<(usize, usize)>,
}

/// The tables of symbols with the offsets of their names, to be written at the offset `start`.
pub(super) fn tables(elf: &ElfFile, symbols: &[(usize, Symbol)], start: usize) -> Tables {
    if symbols.is_empty() {
        return Tables { bytes: Vec::new(), entries: Vec::new() };
    }
    let mut symbols = symbols.to_vec();
    // GNU's hash table leads to the last ones only.
    symbols.sort_by_key(|(_, symbol)| symbol.is_defined || symbol.value != 0);
    let mut writer = Writer { elf, out: Vec::new() };
    let mut entries = vec![(6, start)];
    writer.symbol(0, &Symbol { bind: 0, kind: 0, ..Symbol::unused("") });
    for (name, symbol) in &symbols {
        writer.symbol(*name, symbol);
    }
    entries.push(match elf.hash {
        Hash::Gnu => (0x6fff_fef5, start + writer.out.len()),
        Hash::Sysv => (4, start + writer.out.len()),
    });
    writer.hash(&symbols);
    entries.push((0x6fff_fff0, start + writer.out.len()));
    writer.integer(0, 2);
    for (_, symbol) in &symbols {
        writer.integer(if symbol.is_old { 0x8002 } else { 2 }, 2);
    }
    for is_for_calls in [true, false] {
        writer.out.resize(writer.out.len().next_multiple_of(8), 0);
        let at = writer.out.len();
        for (index, (_, symbol)) in symbols.iter().enumerate() {
            let wanted = symbol.relocation.filter(|one| (*one == Relocation::Call) == is_for_calls);
            if let Some(relocation) = wanted {
                writer.relocation(index + 1, relocation as usize);
            }
        }
        let (table, plain) = (start + at, if elf.wide { 7 } else { 17 });
        let size = writer.out.len() - at;
        if is_for_calls {
            entries.extend([(23, table), (2, size), (20, plain)]);
        } else {
            entries.extend([(plain, table), (plain + 1, size)]);
        }
    }
    Tables { bytes: writer.out, entries }
}

impl Writer<'_> {
    fn symbol(&mut self, name: usize, symbol: &Symbol) {
        let info = usize::from(symbol.bind << 4 | symbol.kind);
        let rest = [(info, 1), (0, 1), (usize::from(symbol.is_defined), 2)];
        self.integer(name, 4);
        if self.elf.wide {
            for (value, bytes) in rest {
                self.integer(value, bytes);
            }
        }
        self.word(symbol.value);
        self.word(symbol.size);
        if !self.elf.wide {
            for (value, bytes) in rest {
                self.integer(value, bytes);
            }
        }
    }

    fn hash(&mut self, symbols: &[(usize, Symbol)]) {
        if self.elf.hash == Hash::Sysv {
            let count = symbols.len() + 1;
            let chains = (0..count).map(|index| (index + 1) % count);
            [1, count, 1 % count].into_iter().chain(chains).for_each(|value| self.integer(value, 4));
            return;
        }
        let hidden = symbols.iter().filter(|(_, symbol)| !symbol.is_defined && symbol.value == 0).count();
        let first = hidden + 1;
        let count = symbols.len() - hidden;
        for value in [1, first, 1, 0] {
            self.integer(value, 4);
        }
        self.word(0);
        self.integer(if count == 0 { 0 } else { first }, 4);
        (1..=count).for_each(|number| self.integer(usize::from(number == count), 4));
    }

    fn relocation(&mut self, symbol: usize, kind: usize) {
        self.word(0x2000);
        if self.elf.wide {
            self.word(symbol << 32 | kind);
            self.word(0);
        } else {
            self.word(symbol << 8 | kind);
        }
    }
}

//! Which functions a 64-bit library offers under some names, with their code, and whether a file asks for any of them.

use std::fs::File;

use object::{
    Endianness,
    elf::{self, FileHeader64, Sym64},
    read::{
        ReadRef,
        elf::{ProgramHeader, Sym as _},
    },
};

use super::{BUDGET_BYTES, Tables, Window, is_32, with_pieces};

/// glibc has each function in two or three versions.
const FUNCTION_LIMIT: usize = 32;
/// dlopen of musl, which does all the work itself, has 3 KiB.
const CODE_LIMIT_BYTES: u64 = 64 << 10;

type Tables64<'a> = Tables<'a, FileHeader64<Endianness>>;

/// A function that a library defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::inspect) struct Function {
    pub(in crate::inspect) name: &'static str,
    /// Of its first instruction in the file.
    pub(in crate::inspect) offset: u64,
    pub(in crate::inspect) code: Vec<u8>,
}

/// Why the functions of a file are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::inspect) enum FunctionError {
    #[error("its symbols cannot be read")]
    Unreadable,
    #[error("its {0} is no function with code in the file")]
    NoCode(&'static str),
    #[error("it has its {0} in too many places")]
    TooMany(&'static str),
}

/// The functions of these names, in all their versions; each place once.
pub(in crate::inspect) fn functions(
    file: File,
    size_bytes: u64,
    names: &[&'static str],
) -> Result<Vec<Function>, FunctionError> {
    look(file, size_bytes, |tables| {
        let (first, end) = tables.hashed().ok_or(FunctionError::Unreadable)?;
        let symbols = tables.symbols(end).ok_or(FunctionError::Unreadable)?;
        let mut functions: Vec<Function> = Vec::new();
        for symbol in symbols.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)) {
            let name = names.iter().find(|name| tables.is_called(symbol, name));
            let Some(name) = name.filter(|_| !symbol.is_undefined(tables.parts.endian)) else { continue };
            let function = tables.function(name, symbol).ok_or(FunctionError::NoCode(name))?;
            if functions.iter().any(|known| known.offset == function.offset) {
                continue;
            }
            if functions.len() >= FUNCTION_LIMIT {
                return Err(FunctionError::TooMany(function.name));
            }
            functions.push(function);
        }
        Ok(functions)
    })
}

/// Whether a file asks others for one of these names.
pub(in crate::inspect) fn asks_for(
    file: File,
    size_bytes: u64,
    names: &[&str],
) -> Result<bool, FunctionError> {
    look(file, size_bytes, |tables| {
        let (_, end) = tables.hashed().ok_or(FunctionError::Unreadable)?;
        let symbols = tables.symbols(end).ok_or(FunctionError::Unreadable)?;
        let mut asked = symbols.iter().filter(|symbol| symbol.is_undefined(tables.parts.endian));
        Ok(asked.any(|symbol| names.iter().any(|name| tables.is_called(symbol, name))))
    })
}

fn look<T>(
    file: File,
    size_bytes: u64,
    look: impl FnOnce(&Tables64<'_>) -> Result<T, FunctionError>,
) -> Result<T, FunctionError> {
    with_pieces(Window::new(file, size_bytes, BUDGET_BYTES), |data| {
        let is_64 = is_32(data) == Some(false);
        let tables = Tables64::of(data).filter(|_| is_64).ok_or(FunctionError::Unreadable)?;
        look(&tables)
    })
}

impl Tables64<'_> {
    /// The whole function, if it lies in the part of the file that is mapped as code.
    fn function(&self, name: &'static str, symbol: &Sym64<Endianness>) -> Option<Function> {
        let size = symbol.st_size(self.parts.endian);
        let is_function = symbol.st_type() == elf::STT_FUNC && (1..=CODE_LIMIT_BYTES).contains(&size);
        let address = Some(symbol.st_value(self.parts.endian)).filter(|_| is_function)?;
        let (offset, left) = self.parts.locate(address)?;
        if size > left || !self.is_code(offset) {
            return None;
        }
        let code = self.parts.data.read_bytes_at(offset, size).ok()?;
        Some(Function { name, offset, code: code.to_vec() })
    }

    /// Of a place in the file.
    fn is_code(&self, offset: u64) -> bool {
        let endian = self.parts.endian;
        self.parts.of_type(elf::PT_LOAD).any(|segment| {
            let (start, size) = segment.file_range(endian);
            let within = offset.checked_sub(start).is_some_and(|within| within < size);
            within && segment.p_flags(endian).0 & elf::PF_X.0 != 0
        })
    }
}

#[cfg(test)]
mod tests;

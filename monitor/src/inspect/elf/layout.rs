//! Where the parts of an ELF file lie. Says nothing of what is in them.

use std::fs::File;

use object::{
    Endianness,
    elf::{self, FileHeader32, FileHeader64},
    read::{
        ReadRef,
        elf::{FileHeader, SectionHeader},
    },
};

use super::{
    super::window::{Pieces, Window, with_pieces},
    Parts,
};

const BUDGET_BYTES: u64 = 1 << 20;

/// A part of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inspect) struct Range {
    pub(in crate::inspect) start: u64,
    pub(in crate::inspect) size: u64,
}

/// The parts of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::inspect) struct Layout {
    pub(in crate::inspect) is_big_endian: bool,
    /// The first of the wanted sections that it has.
    pub(in crate::inspect) section: Option<Range>,
    /// What is loaded of it, in its order.
    pub(in crate::inspect) loaded: Vec<Range>,
}

/// The parts of a file with one of these sections; `None` where it is no ELF file or damaged.
pub(in crate::inspect) fn layout(file: File, size_bytes: u64, sections: &[&[u8]]) -> Option<Layout> {
    with_pieces(Window::new(file, size_bytes, BUDGET_BYTES), |data| {
        let &[class] = data.read_bytes_at(4, 1).ok()? else { return None };
        if class == elf::ELFCLASS32.0 {
            of::<FileHeader32<Endianness>>(data, size_bytes, sections)
        } else {
            of::<FileHeader64<Endianness>>(data, size_bytes, sections)
        }
    })
}

fn of<E: FileHeader<Endian = Endianness>>(
    data: Pieces<'_>,
    size_bytes: u64,
    names: &[&[u8]],
) -> Option<Layout> {
    let header = E::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let parts = Parts { header, endian, data, segments: header.program_headers(endian, data).ok()? };
    // Many a program comes without section headers.
    let sections = header.sections(endian, data).ok();
    let wanted = names.iter().find_map(|name| sections?.section_by_name(endian, name));
    let within = |(start, size): (u64, u64)| {
        let size = size.min(size_bytes.checked_sub(start)?);
        Some(Range { start, size })
    };
    Some(Layout {
        is_big_endian: endian == Endianness::Big,
        section: wanted.and_then(|(_, section)| section.file_range(endian)).and_then(within),
        loaded: parts.loaded().filter_map(within).collect(),
    })
}

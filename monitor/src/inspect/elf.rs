//! What an ELF file asks for: its interpreter, its libraries and their versions, and whether it is all there.
//! Every count and size in a file may be a lie; none of them is believed beyond its limit.

mod images;
mod layout;
mod symbols;

use std::{collections::HashMap, fs::File};

use object::{
    Endianness, elf,
    read::{
        ReadRef,
        elf::{Dyn, FileHeader, ProgramHeader},
    },
};

pub(super) use images::Images;
pub(super) use layout::{Layout, Range, layout};
pub(super) use symbols::{Demand, Function, FunctionError, Offer, asks_for, functions, offered, wanted};

use super::{
    gobuild,
    window::{Pieces, Window, with_pieces},
};
use crate::model::fact::{GoBuild, Known, VersionNeed};

/// Larger than any binary that a container starts; a larger one is not looked into.
const FILE_LIMIT_BYTES: u64 = 2 << 30;
/// `EI_NIDENT`.
const IDENT_BYTES: u64 = 16;
const ENTRY_LIMIT: usize = 4096;
const STRING_LIMIT_BYTES: u64 = 4096;

/// The parts of an ELF file that decide whether and how it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Image {
    /// 32 or 64.
    pub(super) class: u8,
    pub(super) machine: u16,
    pub(super) kind: u16,
    pub(super) truncated: bool,
    /// What the loader reads is there, but not readable, all or in part: nothing follows from what the lists lack.
    pub(super) dynamic_unreadable: bool,
    pub(super) interpreter: Option<String>,
    pub(super) needed: Vec<String>,
    pub(super) soname: Option<String>,
    pub(super) rpath: Option<String>,
    pub(super) runpath: Option<String>,
    pub(super) version_needs: Vec<Need>,
    /// Names that `DT_VERDEF` defines, the file's own name left out.
    pub(super) version_definitions: Vec<String>,
    pub(super) go: Known<Option<GoBuild>>,
}

/// One symbol version that a file needs of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) library: String,
    pub(super) version: String,
    /// `VER_FLG_WEAK`: the loader only warns.
    pub(super) weak: bool,
}

/// An ELF file that the parser gave up on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ElfError {
    #[error("larger than {FILE_LIMIT_BYTES} bytes")]
    TooLarge,
    #[error("malformed ELF file: {0}")]
    Malformed(#[from] object::read::Error),
}

/// How much of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Depth {
    /// What its loader reads.
    Linking,
    /// Go's build information too.
    Program,
}

impl Depth {
    fn budget_bytes(self) -> u64 {
        match self {
            // A program may have hundreds of libraries.
            Self::Linking => 1 << 20,
            Self::Program => 16 << 20,
        }
    }
}

impl Image {
    /// The needed versions by library, in the order of the file.
    pub(super) fn needs_by_library(&self) -> Vec<VersionNeed> {
        let mut needs: Vec<VersionNeed> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for need in &self.version_needs {
            let place = *places.entry(&need.library).or_insert(needs.len());
            match needs.get_mut(place) {
                Some(known) => known.versions.push(need.version.clone()),
                None => needs.push(VersionNeed {
                    library: need.library.clone(),
                    versions: vec![need.version.clone()],
                }),
            }
        }
        needs
    }
}

/// Reads a file that begins with the ELF magic number.
pub(super) fn read(file: File, size_bytes: u64, depth: Depth) -> Result<Image, ElfError> {
    if size_bytes > FILE_LIMIT_BYTES {
        return Err(ElfError::TooLarge);
    }
    with_pieces(Window::new(file, size_bytes, depth.budget_bytes()), |data| {
        let ident = data.read_bytes_at(0, size_bytes.min(IDENT_BYTES)).unwrap_or_default();
        let class = ident.get(4).copied().unwrap_or_default();
        let header_bytes = if class == elf::ELFCLASS32.0 { 52 } else { 64 };
        if size_bytes < header_bytes {
            return Ok(stub(class, data));
        }
        if class == elf::ELFCLASS32.0 {
            parse::<elf::FileHeader32<Endianness>>(32, data, size_bytes, depth)
        } else {
            parse::<elf::FileHeader64<Endianness>>(64, data, size_bytes, depth)
        }
    })
}

/// A file that ends within its header.
fn stub(class: u8, data: Pieces<'_>) -> Image {
    let half = |offset| match data.read_bytes_at(offset, 2) {
        Ok(&[low, high]) => u16::from_le_bytes([low, high]),
        Ok(_) | Err(()) => 0,
    };
    let class = if class == elf::ELFCLASS32.0 { 32 } else { 64 };
    Image {
        class,
        kind: half(16),
        machine: half(18),
        truncated: true,
        dynamic_unreadable: true,
        ..Image::default()
    }
}

/// The entries of a dynamic segment: tags and values, without the last, which is empty.
struct Entries(Vec<(elf::DynamicTag, u64)>);

impl Entries {
    fn value(&self, wanted: elf::DynamicTag) -> Option<u64> {
        self.0.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value)
    }
}

/// A parsed header with what is needed to follow it.
pub(super) struct Parts<'a, E: FileHeader> {
    pub(super) header: &'a E,
    pub(super) endian: E::Endian,
    pub(super) data: Pieces<'a>,
    pub(super) segments: &'a [E::ProgramHeader],
}

fn parse<E: FileHeader<Endian = Endianness>>(
    class: u8,
    data: Pieces<'_>,
    size_bytes: u64,
    depth: Depth,
) -> Result<Image, ElfError> {
    let header = E::parse(data)?;
    let endian = header.endian()?;
    let mut image = Image {
        class,
        machine: header.e_machine(endian).0,
        kind: header.e_type(endian).0,
        ..Image::default()
    };
    let table = u64::from(header.e_phnum(endian)).saturating_mul(u64::from(header.e_phentsize(endian)));
    if header.e_phoff(endian).into().saturating_add(table) > size_bytes {
        (image.truncated, image.dynamic_unreadable) = (true, true);
        return Ok(image);
    }
    let parts = Parts { header, endian, data, segments: header.program_headers(endian, data)? };
    image.truncated =
        parts.loaded().any(|(offset, size)| size > 0 && offset.saturating_add(size) > size_bytes);
    let interpreter = parts.interpreter();
    image.dynamic_unreadable = image.truncated || interpreter.is_err() || parts.dynamic(&mut image).is_none();
    image.interpreter = interpreter.unwrap_or_default();
    if depth == Depth::Program {
        image.go = gobuild::read(&parts);
        if image.truncated && image.go == Known::Is(None) {
            image.go = Known::unknown("the file is truncated");
        }
    }
    Ok(image)
}

impl<'a, E: FileHeader<Endian = Endianness>> Parts<'a, E> {
    /// The segments of a type.
    fn of_type(&self, wanted: elf::ProgramType) -> impl Iterator<Item = &'a E::ProgramHeader> {
        let endian = self.endian;
        self.segments.iter().filter(move |segment| segment.p_type(endian) == wanted)
    }

    /// Offset and size in the file of what is loaded.
    fn loaded(&self) -> impl Iterator<Item = (u64, u64)> {
        let endian = self.endian;
        self.of_type(elf::PT_LOAD).map(move |segment| segment.file_range(endian))
    }

    /// Where in the file a virtual address lies, and how many bytes follow there.
    pub(super) fn locate(&self, address: u64) -> Option<(u64, u64)> {
        self.of_type(elf::PT_LOAD).find_map(|segment| {
            let (offset, size) = segment.file_range(self.endian);
            let within = address.checked_sub(segment.p_vaddr(self.endian).into())?;
            let left = size.checked_sub(within).filter(|&left| left > 0)?;
            Some((offset.checked_add(within)?, left))
        })
    }

    /// The first writable loaded segment: offset and size in the file.
    pub(super) fn first_writable(&self) -> Option<(u64, u64)> {
        let endian = self.endian;
        self.of_type(elf::PT_LOAD)
            .find(|segment| segment.p_flags(endian).0 & elf::PF_W.0 != 0)
            .map(|segment| segment.file_range(endian))
    }

    /// `PT_INTERP` as the kernel reads it: up to the first NUL, no longer than `PATH_MAX`. An error: it cannot be
    /// read.
    fn interpreter(&self) -> Result<Option<String>, ()> {
        let Some(segment) = self.of_type(elf::PT_INTERP).next() else { return Ok(None) };
        let (offset, size) = segment.file_range(self.endian);
        let bytes = self.data.read_bytes_at(offset, size.min(STRING_LIMIT_BYTES))?;
        Ok(Some(lossy(bytes.split(|&b| b == 0).next().unwrap_or_default())))
    }

    /// The dynamic segment; `None` where there is none or it cannot be read as far as its end.
    fn dynamic_entries(&self) -> Option<Entries> {
        let segment = self.of_type(elf::PT_DYNAMIC).next()?;
        let entries = segment.dynamic(self.endian, self.data).ok()??;
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| (entry.tag(self.endian), entry.val(self.endian)))
            .take_while(|(tag, _)| *tag != elf::DT_NULL)
            .take(ENTRY_LIMIT)
            .collect();
        (entries.len() < ENTRY_LIMIT).then_some(Entries(entries))
    }

    /// Reads the dynamic segment; `None` where there is one that cannot be read.
    fn dynamic(&self, image: &mut Image) -> Option<()> {
        if self.of_type(elf::PT_DYNAMIC).next().is_none() {
            return Some(());
        }
        let entries = self.dynamic_entries()?;
        let value = |wanted| entries.value(wanted);
        let (strings, _) = value(elf::DT_STRTAB).and_then(|address| self.locate(address))?;
        let text = |offset: u64| self.string(strings.checked_add(offset)?);
        image.needed = entries
            .0
            .iter()
            .filter(|(tag, _)| *tag == elf::DT_NEEDED)
            .map(|(_, v)| text(*v))
            .collect::<Option<_>>()?;
        // A search path that cannot be read is not one that is not there.
        let optional = |tag| value(tag).map_or(Some(None), |offset| text(offset).map(Some));
        image.soname = optional(elf::DT_SONAME)?;
        image.rpath = optional(elf::DT_RPATH)?;
        image.runpath = optional(elf::DT_RUNPATH)?;
        if let Some((start, _)) = value(elf::DT_VERNEED).and_then(|address| self.locate(address)) {
            image.version_needs = self.version_needs(start, &text);
        }
        if let Some((start, _)) = value(elf::DT_VERDEF).and_then(|address| self.locate(address)) {
            image.version_definitions = self.version_definitions(start, &text);
        }
        Some(())
    }

    fn string(&self, at: u64) -> Option<String> {
        let end = self.data.len().ok()?.min(at.checked_add(STRING_LIMIT_BYTES)?);
        Some(lossy(self.data.read_bytes_at_until(at..end, 0).ok()?))
    }

    fn version_needs(&self, start: u64, text: &impl Fn(u64) -> Option<String>) -> Vec<Need> {
        let mut needs = Vec::new();
        let mut at = Some(start);
        while let Some(entry_at) = at.filter(|_| needs.len() < ENTRY_LIMIT) {
            let Ok(entry) = self.data.read_at::<elf::Verneed<Endianness>>(entry_at) else { break };
            let library = text(entry.vn_file.get(self.endian).into());
            let mut aux_at = entry_at.checked_add(entry.vn_aux.get(self.endian).into());
            for _ in 0..entry.vn_cnt.get(self.endian) {
                let Some(here) = aux_at.filter(|_| needs.len() < ENTRY_LIMIT) else { break };
                let Ok(aux) = self.data.read_at::<elf::Vernaux<Endianness>>(here) else { break };
                if let (Some(library), Some(version)) = (&library, text(aux.vna_name.get(self.endian).into()))
                {
                    let weak = aux.vna_flags.get(self.endian).0 & elf::VER_FLG_WEAK.0 != 0;
                    needs.push(Need { library: library.clone(), version, weak });
                }
                aux_at = following(here, aux.vna_next.get(self.endian));
            }
            at = following(entry_at, entry.vn_next.get(self.endian));
        }
        needs
    }

    /// Empty, as if the file had none, where one of them cannot be read: "not defined" needs the whole list.
    fn version_definitions(&self, start: u64, text: &impl Fn(u64) -> Option<String>) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = Some(start);
        while let Some(entry_at) = at.filter(|_| names.len() < ENTRY_LIMIT) {
            let Ok(entry) = self.data.read_at::<elf::Verdef<Endianness>>(entry_at) else { return Vec::new() };
            let aux_at = entry_at.saturating_add(entry.vd_aux.get(self.endian).into());
            let base = entry.vd_flags.get(self.endian).0 & elf::VER_FLG_BASE.0 != 0;
            // The first auxiliary entry is the name, further ones are its ancestors.
            let aux = self.data.read_at::<elf::Verdaux<Endianness>>(aux_at);
            let name = aux.ok().and_then(|aux| text(aux.vda_name.get(self.endian).into()));
            let Some(name) = name else { return Vec::new() };
            names.extend((!base).then_some(name));
            at = following(entry_at, entry.vd_next.get(self.endian));
        }
        if at.is_some() { Vec::new() } else { names }
    }
}

/// Version tables are chains of forward steps; zero ends one. That keeps a crafted chain from running in circles.
fn following(at: u64, step: u32) -> Option<u64> {
    if step == 0 { None } else { at.checked_add(step.into()) }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;

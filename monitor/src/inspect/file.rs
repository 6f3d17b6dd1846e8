//! Describes the file at a path inside a container as the kernel and the container's user would meet it.

use std::{fs::File as OsFile, os::unix::fs::FileExt};

use super::{
    elf::{Depth, Image},
    error_text,
    found::{Found, Lookup},
    libraries,
    root::ContainerRoot,
    script::{self, Shebang},
};
use crate::model::fact::{
    Content, Elf, File, FileCapabilities, FileFact, FileKind, Interpreter, Known, Script,
};

/// A file of the container, with what it needs to start.
pub(super) fn describe(root: &ContainerRoot<'_>, path: &str) -> Known<FileFact> {
    Describer { root, searches: true }.fact(path, 2)
}

/// A file of the container without its libraries.
pub(super) fn glance(root: &ContainerRoot<'_>, path: &str) -> Known<FileFact> {
    Describer { root, searches: false }.fact(path, 2)
}

/// Describes files; with `searches` the libraries of an ELF file are looked for.
#[derive(Clone, Copy)]
struct Describer<'r, 'h> {
    root: &'r ContainerRoot<'h>,
    searches: bool,
}

impl Describer<'_, '_> {
    /// The file at `path`, its interpreters `levels` deep: a script, its shell, and the shell's loader.
    fn fact(self, path: &str, levels: u8) -> Known<FileFact> {
        let found = match self.root.look(path) {
            Ok(Lookup::Found(found)) => found,
            Ok(Lookup::Absent { missing }) => {
                return Known::Is(FileFact::Absent { path: path.to_owned(), missing });
            }
            Err(error) => return Known::unknown(error_text(&error)),
        };
        let mut file = File {
            path: path.to_owned(),
            resolved: found.resolved.to_string_lossy().into_owned(),
            kind: found.kind,
            mode: found.mode,
            uid: found.owner.0,
            gid: found.owner.1,
            size_bytes: found.size_bytes,
            noexec_mount: found.noexec_mount.clone(),
            closed_directory: found.closed_directory.clone(),
            capabilities: None,
            content: Known::default(),
        };
        if found.kind == FileKind::Regular {
            file.capabilities = found.attribute::<64>("security.capability").and_then(|v| capabilities(&v));
            file.content = self.content(&found, &file, levels);
        } else {
            file.content = Known::unknown("not a regular file");
        }
        Known::Is(FileFact::Present(Box::new(file)))
    }

    fn content(self, found: &Found, file: &File, levels: u8) -> Known<Content> {
        let os_file = match found.open() {
            Ok(os_file) => os_file,
            Err(error) => return Known::unknown(error_text(&error)),
        };
        let mut head = [0; script::HEAD_BYTES];
        let head = match read_head(&os_file, &mut head) {
            Ok(head) => head,
            Err(error) => return Known::unknown(format!("cannot read {}: {error}", file.resolved)),
        };
        if head.is_empty() {
            Known::Is(Content::Empty)
        } else if head.starts_with(b"\x7fELF") {
            self.elf(os_file, file, levels)
        } else if head.starts_with(b"\xef\xbb\xbf#!") {
            Known::Is(Content::ByteOrderMarkedScript)
        } else if let Some(shebang) = script::shebang(head) {
            Known::Is(Content::Script(self.script(shebang, levels)))
        } else {
            Known::Is(Content::Other { text: script::is_text(head) })
        }
    }

    fn script(self, shebang: Shebang, levels: u8) -> Script {
        let without_cr = shebang.interpreter.trim_end_matches('\r');
        let exists_without_cr = shebang.crlf && matches!(self.root.look(without_cr), Ok(Lookup::Found(_)));
        Script {
            interpreter: self.interpreter(&shebang.interpreter, levels),
            argument: shebang.argument,
            crlf: shebang.crlf,
            exists_without_cr,
        }
    }

    fn elf(self, os_file: OsFile, file: &File, levels: u8) -> Known<Content> {
        let depth = if self.searches { Depth::Program } else { Depth::Linking };
        let image = match self.root.images().read(os_file, file.size_bytes, depth) {
            Ok(image) => image,
            Err(error) => return Known::unknown(format!("{}: {}", file.resolved, error_text(&error))),
        };
        let interpreter = image.interpreter.as_deref().map(|path| self.interpreter(path, levels));
        let libraries = if self.searches {
            libraries::closure(self.root, &image, file, interpreter.as_ref())
        } else {
            Known::default()
        };
        Known::Is(Content::Elf(Box::new(self.fact_of(image, interpreter, libraries))))
    }

    fn fact_of(
        self,
        image: Image,
        interpreter: Option<Interpreter>,
        libraries: Known<crate::model::fact::Libraries>,
    ) -> Elf {
        Elf {
            version_needs: image.needs_by_library(),
            class: image.class,
            machine: image.machine,
            kind: image.kind,
            truncated: image.truncated,
            interpreter,
            needed: image.needed,
            libraries,
            go: if self.searches { image.go } else { Known::default() },
        }
    }

    fn interpreter(self, path: &str, levels: u8) -> Interpreter {
        let file = match levels.checked_sub(1) {
            Some(left) => Describer { searches: false, ..self }.fact(path, left),
            None => Known::default(),
        };
        Interpreter { path: path.to_owned(), file: Box::new(file) }
    }
}

/// As many of the first bytes as there are.
fn read_head<'b>(file: &OsFile, buffer: &'b mut [u8]) -> std::io::Result<&'b [u8]> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => break,
            count => filled = filled.saturating_add(count),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// `struct vfs_cap_data` and `vfs_ns_cap_data` of include/uapi/linux/capability.h, revisions 1 to 3.
pub(super) fn capabilities(value: &[u8]) -> Option<FileCapabilities> {
    let word = |index: usize| {
        let start = index.checked_mul(4)?;
        let bytes = value.get(start..start.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let magic = word(0)?;
    let effective = magic & 1 != 0;
    let low = u64::from(word(1)?);
    match (magic >> 24, value.len()) {
        (1, 12) => Some(FileCapabilities { permitted: low, effective }),
        // The second pair of words is the upper half; revision 3 appends the uid that is root in its namespace.
        (2, 20) | (3, 24) => Some(FileCapabilities { permitted: low | u64::from(word(3)?) << 32, effective }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_revisions_of_file_capabilities_are_read() {
        let value = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        let net_admin = 1 << 12;
        let caps = |permitted, effective| Some(FileCapabilities { permitted, effective });
        assert_eq!(capabilities(&value(&[0x0100_0001, net_admin, 0])), caps(1 << 12, true));
        assert_eq!(capabilities(&value(&[0x0200_0000, net_admin, 0, 1, 0])), caps(1 << 12 | 1 << 32, false));
        assert_eq!(capabilities(&value(&[0x0300_0001, 0, 0, 0x80, 0, 1000])), caps(1 << 39, true));
        for broken in [&[][..], &[0x0200_0001], &[0x0200_0001, 1, 0], &[0x0900_0001, 1, 0, 0, 0]] {
            assert_eq!(capabilities(&value(broken)), None);
        }
    }
}

//! Writes an initramfs: an archive in the `newc` format of cpio (the kernel's driver-api/early-userspace/buffer-format).

use std::collections::BTreeSet;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive that is being written. Parents come by themselves; everything belongs to root.
pub(super) struct Archive<W: Write> {
    to: W,
    entries: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, entries: 0, directories: BTreeSet::new() }
    }

    pub(super) fn directory(&mut self, path: &str) -> io::Result<()> {
        let mut end = 0;
        for part in path.split('/') {
            end += part.len();
            let Some(directory) = path.get(..end) else { continue };
            if self.directories.insert(directory.to_owned()) {
                self.entry(directory, DIRECTORY, &[], (0, 0))?;
            }
            end += 1;
        }
        Ok(())
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, FILE | mode, content, (0, 0))
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, LINK, target.as_bytes(), (0, 0))
    }

    pub(super) fn character_device(&mut self, path: &str, device: (u32, u32)) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, CHARACTER_DEVICE, &[], device)
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[], (0, 0))?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(parent, _)| self.directory(parent))
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], device: (u32, u32)) -> io::Result<()> {
        self.entries += 1;
        let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            length(content.len())?,
            0,
            0,
            device.0,
            device.1,
            length(path.len() + 1)?,
            0,
        ];
        let fields = fields.map(|field| format!("{field:08x}")).concat();
        let header = format!("070701{fields}{path}\0");
        self.padded(header.as_bytes())?;
        self.padded(content)
    }

    /// Headers and contents end at multiples of four.
    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        let missing = bytes.len().next_multiple_of(4) - bytes.len();
        self.to.write_all([0; 3].get(..missing).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_where_the_kernel_looks_for_it() {
        let mut archive = Archive::new(Vec::new());
        archive.file("a/b/odd", 0o755, b"12345").unwrap();
        archive.link("a/b/link", "odd").unwrap();
        archive.character_device("console", (5, 1)).unwrap();
        let bytes = archive.finish().unwrap();
        let mut names = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let header = std::str::from_utf8(&bytes[at..at + 110]).unwrap();
            assert_eq!(&header[..6], "070701");
            let field =
                |number: usize| usize::from_str_radix(&header[6 + number * 8..14 + number * 8], 16).unwrap();
            let (content, name) = (field(6), field(11));
            names.push(String::from_utf8(bytes[at + 110..at + 109 + name].to_vec()).unwrap());
            at += (110 + name).next_multiple_of(4) + content.next_multiple_of(4);
        }
        assert_eq!(names, ["a", "a/b", "a/b/odd", "a/b/link", "console", "TRAILER!!!"]);
    }
}

//! Reads parts of a large file for the ELF parser: in blocks, within a budget, whatever sizes the file claims.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

use object::read::{ReadCache, ReadRef};

const BLOCK_BYTES: u64 = 16 << 10;
/// No table of an honest file is larger than this.
const PIECE_LIMIT_BYTES: u64 = 4 << 20;

/// A file as blocks that are read once.
#[derive(Debug)]
pub(super) struct Window {
    file: File,
    length: u64,
    position: u64,
    budget_bytes: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Window {
    /// At most `budget_bytes` of the file are read.
    pub(super) fn new(file: File, length: u64, budget_bytes: u64) -> Self {
        Self { file, length, position: 0, budget_bytes, blocks: BTreeMap::new() }
    }

    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        if !self.blocks.contains_key(&number) {
            if self.blocks.len() as u64 >= self.budget_bytes / BLOCK_BYTES {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            let start = number.saturating_mul(BLOCK_BYTES);
            let length =
                usize::try_from(self.length.saturating_sub(start).min(BLOCK_BYTES)).unwrap_or_default();
            let mut block = vec![0; length];
            self.file.read_exact_at(&mut block, start)?;
            self.blocks.insert(number, block);
        }
        Ok(self.blocks.get(&number).map(Vec::as_slice).unwrap_or_default())
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let within = usize::try_from(self.position % BLOCK_BYTES).unwrap_or_default();
        let block = self.block(self.position / BLOCK_BYTES)?;
        let available = block.get(within..).unwrap_or_default();
        let count = available.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(available) {
            *to = *from;
        }
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(offset) => self.length.saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        Ok(self.position)
    }
}

/// A view of a file that `object` can parse: a piece that is too large, or one piece too many, is a parse error.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    cache: &'a ReadCache<Window>,
    left: &'a Cell<u64>,
}

/// Runs `parse` over the pieces of a file.
pub(super) fn with_pieces<T>(window: Window, parse: impl FnOnce(Pieces<'_>) -> T) -> T {
    let left = Cell::new(window.budget_bytes);
    parse(Pieces { cache: &ReadCache::new(window), left: &left })
}

impl Pieces<'_> {
    fn spend(self, bytes: u64) -> Result<(), ()> {
        let left = self.left.get().checked_sub(bytes).ok_or(())?;
        self.left.set(left);
        if bytes > PIECE_LIMIT_BYTES { Err(()) } else { Ok(()) }
    }
}

impl<'a> ReadRef<'a> for Pieces<'a> {
    fn len(self) -> Result<u64, ()> {
        self.cache.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        self.spend(size)?;
        self.cache.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: std::ops::Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let found = self.cache.read_bytes_at_until(range, delimiter)?;
        self.spend(found.len() as u64)?;
        Ok(found)
    }
}

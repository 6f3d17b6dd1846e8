//! Changes inputs as faults and attackers do: bits, bytes, lengths, cuts, repeats, splices. The same seed gives the same
//! changes.

use std::ops::Range;

/// Values at which lengths and counts go wrong.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];
/// What texts are cut, closed and steered with.
const TOKENS: [&str; 24] = [
    "\0",
    "\n",
    "\r\n",
    ":",
    "=",
    ",",
    "/",
    "../",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "null",
    "-1",
    " ",
    "\t",
    "%s",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{200b}",
    "18446744073709551615",
    "99999999999999999999999",
];
/// An input does not grow beyond this.
const LIMIT_BYTES: usize = 2 << 20;

/// A deterministic source of changes.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number of xorshift64*.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`; 0 where there is nothing below.
    pub fn below(&mut self, end: usize) -> usize {
        let next = usize::try_from(self.next() >> 1).unwrap_or_default();
        next.checked_rem(end).unwrap_or_default()
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        let index = self.below(all.len());
        all.get(index)
    }

    /// A changed `input`, mixed with `other`; half of the changes go to `hot`.
    pub fn change(&mut self, input: &[u8], other: &[u8], hot: &[Range<usize>]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.place(bytes.len(), hot);
            self.once(&mut bytes, at, other);
            bytes.truncate(LIMIT_BYTES);
        }
        bytes
    }

    fn place(&mut self, length: usize, hot: &[Range<usize>]) -> usize {
        let range = if self.below(2) == 0 { self.pick(hot).cloned() } else { None };
        let range = range.filter(|range| range.start < length).unwrap_or(0..length);
        range.start.saturating_add(self.below(range.end.min(length).saturating_sub(range.start)))
    }

    fn once(&mut self, bytes: &mut Vec<u8>, at: usize, other: &[u8]) {
        match self.below(12) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let value = self.next().to_le_bytes();
                put(bytes, at, value.get(..1).unwrap_or_default());
            }
            2..=4 => {
                let value = self.pick(&EDGES).copied().unwrap_or_default();
                self.number(bytes, at, value);
            }
            5 => {
                let value = (bytes.len() as u64).wrapping_add(self.next() % 64).wrapping_sub(32);
                self.number(bytes, at, value);
            }
            6 => bytes.truncate(at),
            7 => {
                let count = self.below(64.min(bytes.len().saturating_sub(at)) + 1);
                drop(bytes.drain(at..at + count));
            }
            8 => self.repeat(bytes, at),
            9 | 10 => {
                let token = self.pick(&TOKENS).copied().unwrap_or_default();
                drop(bytes.splice(at..at, token.bytes()));
            }
            _ => {
                let from = self.below(other.len());
                let count = self.below(256);
                let piece = other.get(from..).unwrap_or_default();
                let piece = piece.get(..count.min(piece.len())).unwrap_or_default();
                let end = at.saturating_add(piece.len()).min(bytes.len());
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
        }
    }

    /// Of one to eight bytes, in either order; where a format aligns its fields mostly at such a place.
    fn number(&mut self, bytes: &mut [u8], at: usize, value: u64) {
        let width = 1_usize << self.below(4);
        let at = if self.below(4) == 0 { at } else { at - at % width };
        if self.below(4) == 0 {
            put(bytes, at, value.to_be_bytes().get(8 - width..).unwrap_or_default());
        } else {
            put(bytes, at, value.to_le_bytes().get(..width).unwrap_or_default());
        }
    }

    /// Mostly twice, seldom a thousand times: what is small becomes gigantic.
    fn repeat(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let end = at.saturating_add(1 + self.below(128)).min(bytes.len());
        let times = if self.below(8) == 0 { 1000 } else { 1 + self.below(4) };
        let piece = bytes.get(at..end).unwrap_or_default().repeat(times);
        drop(bytes.splice(at..at, piece));
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_changes_and_another_seed_others() {
        let changes = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..50).map(|_| mutator.change(b"some input", b"another", &[2..4, 2..9])).collect::<Vec<_>>()
        };
        assert_eq!(changes(2), changes(2));
        assert_ne!(changes(2), changes(4));
    }

    #[test]
    fn nothing_can_be_changed_too_and_growth_has_an_end() {
        let mut mutator = Mutator::new(9);
        let mut bytes = Vec::new();
        for _ in 0..5_000 {
            bytes = mutator.change(&bytes, b"", &[7..9, 1..4]);
            assert!(bytes.len() <= LIMIT_BYTES);
        }
    }
}

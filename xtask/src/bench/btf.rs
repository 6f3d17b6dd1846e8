//! Finds a kernel function among the kernel's own types (BTF), by its name.

use anyhow::{Context, Result, bail};

const MAGIC: u16 = 0xeb9f;
/// `BTF_KIND_FUNC`.
const FUNCTION: u32 = 12;

/// The number of a function's type, as a program that is attached to it has to name it.
pub(super) fn function(btf: &[u8], name: &str) -> Result<u32> {
    let word = |at: usize| -> Result<u32> {
        let bytes = btf.get(at..at + 4).context("the kernel's types end too early")?;
        Ok(u32::from_le_bytes(bytes.try_into()?))
    };
    let at = |offset: u32| usize::try_from(offset);
    if word(0)? & 0xffff != u32::from(MAGIC) {
        bail!("the kernel's types do not begin as they should");
    }
    let header = at(word(4)?)?;
    let (types, length) = (header + at(word(8)?)?, at(word(12)?)?);
    let strings = header + at(word(16)?)?;
    let is_named = |offset: usize| {
        let text = btf.get(strings + offset..).unwrap_or_default();
        text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    };
    let mut position = types;
    // Number 0 is void and has no entry.
    for number in 1.. {
        if position >= types + length {
            break;
        }
        let (text, info) = (word(position)?, word(position + 4)?);
        let kind = info >> 24 & 0x1f;
        if kind == FUNCTION && is_named(at(text)?) {
            return Ok(number);
        }
        position += 12 + further(kind, at(info & 0xffff)?)?;
    }
    bail!("the kernel has no function {name}")
}

/// Bytes behind the first twelve of a type (Documentation/bpf/btf.rst).
fn further(kind: u32, members: usize) -> Result<usize> {
    Ok(match kind {
        // Pointer, forward, typedef, volatile, const, restrict, function, float, tag of a type.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, tag of a declaration.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Structure, union, section, 64-bit enumeration.
        4 | 5 | 15 | 19 => 12 * members,
        // Enumeration, prototype.
        6 | 13 => 8 * members,
        unknown => bail!("the kernel's types have an unknown kind {unknown}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An integer, a structure of one member, and two functions.
    fn types() -> Vec<u8> {
        let strings = b"\0int\0open\0openat\0";
        let types: [[u32; 3]; 4] =
            [[1, 1 << 24, 4], [0, 4 << 24 | 1, 4], [5, 12 << 24, 1], [10, 12 << 24, 1]];
        let mut body: Vec<u32> = Vec::new();
        for (at, words) in types.iter().enumerate() {
            body.extend(words);
            body.extend(vec![0; [1, 3, 0, 0][at]]);
        }
        let length = u32::try_from(body.len() * 4).unwrap();
        let header =
            [u32::from(MAGIC) | 1 << 16, 24, 0, length, length, u32::try_from(strings.len()).unwrap()];
        let words = header.iter().chain(&body).flat_map(|word| word.to_le_bytes());
        words.chain(strings.iter().copied()).collect()
    }

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        assert_eq!(function(&types(), "open").unwrap(), 3);
        assert_eq!(function(&types(), "openat").unwrap(), 4);
        assert!(function(&types(), "ope").is_err());
        // The name of another kind of type.
        assert!(function(&types(), "int").is_err());
    }

    #[test]
    fn types_that_were_cut_off_are_an_error() {
        let whole = types();
        assert!((0..whole.len() - 18).all(|end| function(&whole[..end], "openat").is_err()));
    }
}

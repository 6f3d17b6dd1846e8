//! Where a function returns, from its machine code. Pure; whatever it does not understand for certain, it says so: a
//! breakpoint in the middle of an instruction would break the program.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

/// More returns than compilers give a function like dlopen.
const RETURN_LIMIT: usize = 8;

/// Why nobody knows where a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodeError {
    #[error("its instructions at {0:#x} are not understood")]
    NotUnderstood(u64),
    #[error("it jumps away at {0:#x}")]
    JumpsAway(u64),
    #[error("it has {0} returns")]
    Returns(usize),
    #[error("its machine {0} is not known")]
    Machine(u16),
}

/// What one instruction does to the flow.
enum Flow {
    On,
    /// The caller goes on.
    Returns,
    /// To that offset, always or not.
    Jumps(u64),
}

/// `e_machine`.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// The offsets of the instructions by which a function returns to its caller; `code` is the whole of it. The stack pointer
/// is at these where it was at the first instruction.
///
/// An indirect jump counts as none: glibc's dlopen has one that only statically linked programs take.
pub(super) fn returns(machine: u16, code: &[u8]) -> Result<Vec<u64>, CodeError> {
    let instructions = match machine {
        X86_64 => x86_64(code),
        AARCH64 => aarch64(code),
        other => return Err(CodeError::Machine(other)),
    };
    let mut returns = Vec::new();
    for (at, flow) in instructions {
        match flow.ok_or(CodeError::NotUnderstood(at))? {
            Flow::Returns => returns.push(at),
            // The rest of the function is elsewhere, or another function returns in its place.
            Flow::Jumps(to) if to >= code.len() as u64 => return Err(CodeError::JumpsAway(at)),
            Flow::On | Flow::Jumps(_) => {}
        }
    }
    if (1..=RETURN_LIMIT).contains(&returns.len()) {
        Ok(returns)
    } else {
        Err(CodeError::Returns(returns.len()))
    }
}

/// Each instruction's offset and flow, from the first byte to the last.
type Flows = Vec<(u64, Option<Flow>)>;

fn x86_64(code: &[u8]) -> Flows {
    let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    decoder.into_iter().map(|instruction| (instruction.ip(), x86_64_flow(&instruction))).collect()
}

fn x86_64_flow(instruction: &Instruction) -> Option<Flow> {
    if instruction.is_invalid() {
        return None;
    }
    let is_near = instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64;
    Some(if instruction.mnemonic() == Mnemonic::Ret {
        Flow::Returns
    } else if is_near && instruction.mnemonic() != Mnemonic::Call {
        Flow::Jumps(instruction.near_branch_target())
    } else {
        Flow::On
    })
}

fn aarch64(code: &[u8]) -> Flows {
    let words = code.chunks(4).map(|word| word.try_into().ok().map(u32::from_le_bytes));
    (0_u64..)
        .step_by(4)
        .zip(words)
        .map(|(at, word)| (at, word.and_then(|word| aarch64_flow(at, word))))
        .collect()
}

/// The branches of the Arm Architecture Reference Manual, C4.1.65.
fn aarch64_flow(at: u64, word: u32) -> Option<Flow> {
    const RET_X30: u32 = 0xd65f_03c0;
    // A jump's distance: `bits` wide from bit `from` on, signed, in words.
    let jump = |from: u32, bits: u32| {
        let distance = (word << (32 - from - bits)).cast_signed() >> (32 - bits);
        Some(Flow::Jumps(at.wrapping_add_signed(i64::from(distance) * 4)))
    };
    if word == RET_X30 {
        return Some(Flow::Returns);
    }
    // RET through another register; RETAA and RETAB, which the kernel puts no breakpoint on.
    if word & 0xffff_fc1f == 0xd65f_0000 || word & 0xffff_fbff == 0xd65f_0bff {
        return None;
    }
    if word & 0xfc00_0000 == 0x1400_0000 {
        return jump(0, 26);
    }
    // B.cond and BC.cond; CBZ and CBNZ.
    if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        return jump(5, 19);
    }
    // TBZ and TBNZ.
    if word & 0x7e00_0000 == 0x3600_0000 {
        return jump(5, 14);
    }
    Some(Flow::On)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_return_of_a_function_is_found_and_bytes_that_look_like_one_are_not() {
        // push %rbx; mov $0xc3c3c3c3,%eax; je 1f; pop %rbx; ret; 1: call *%rax; pop %rbx; rep ret
        let code = b"\x53\xb8\xc3\xc3\xc3\xc3\x74\x02\x5b\xc3\xff\xd0\x5b\xf3\xc3";
        assert_eq!(returns(X86_64, code), Ok(vec![9, 13]));
    }

    #[test]
    fn a_function_that_ends_elsewhere_or_is_not_understood_has_no_known_returns() {
        // jmp to another function; a ret that is reached too.
        assert_eq!(returns(X86_64, b"\xe9\x00\x01\x00\x00\xc3"), Err(CodeError::JumpsAway(0)));
        // Backwards, out of the function.
        assert_eq!(returns(X86_64, b"\x74\xf0\xc3"), Err(CodeError::JumpsAway(0)));
        // Not valid in 64-bit code; cut off; a vector instruction that no dlopen needs.
        for code in [&b"\x06\xc3"[..], b"\xc3\xb8\x00", b"\xc5\xf8\x28\xc8\xc3"] {
            assert!(matches!(returns(X86_64, code), Err(CodeError::NotUnderstood(_))), "{code:x?}");
        }
        assert_eq!(returns(X86_64, b""), Err(CodeError::Returns(0)));
        assert_eq!(returns(X86_64, &[0xc3; 9]), Err(CodeError::Returns(9)));
        assert_eq!(returns(8, b"\xc3"), Err(CodeError::Machine(8)));
    }

    #[test]
    fn arm64_is_read_word_by_word() {
        let of = |words: &[u32]| {
            let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            returns(AARCH64, &code)
        };
        // stp x29,x30,[sp,#-16]!; cbz x0,+8; ret; tbnz w1,#0,-4; bl elsewhere; b.eq -8; ret
        let code =
            [0xa9bf_7bfd, 0xb400_0040, 0xd65f_03c0, 0x3707_ffe1, 0x94ff_ffff, 0x54ff_ffc0, 0xd65f_03c0];
        assert_eq!(of(&code), Ok(vec![8, 24]));
        assert_eq!(of(&[0x1400_0010, 0xd65f_03c0]), Err(CodeError::JumpsAway(0)));
        assert_eq!(of(&[0x17ff_ffff, 0xd65f_03c0]), Err(CodeError::JumpsAway(0)));
        for word in [0xd65f_0020, 0xd65f_0bff, 0xd65f_0fff] {
            assert_eq!(of(&[word]), Err(CodeError::NotUnderstood(0)), "{word:x}");
        }
        assert_eq!(returns(AARCH64, &[0xc0, 0x03, 0x5f]), Err(CodeError::NotUnderstood(0)));
    }
}

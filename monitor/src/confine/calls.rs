//! Refuses the system calls that gomon never makes once it watches: seccomp(2). The lists are in [`refused`].

mod refused;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use refused::{ALWAYS, SOMETIMES, When};

/// For all threads of this process, and for good.
pub(super) fn refuse_on_all_threads() -> Result<(), String> {
    for program in programs()? {
        apply_filter_all_threads(&program).map_err(|error| format!("the kernel takes no filter: {error}"))?;
    }
    Ok(())
}

/// Each call passes all of them.
fn programs() -> Result<Vec<BpfProgram>, String> {
    let compile = |rules, errno: i32| -> Result<BpfProgram, seccompiler::BackendError> {
        let refuse = SeccompAction::Errno(u32::try_from(errno).unwrap_or_default());
        let machine = TargetArch::try_from(std::env::consts::ARCH)?;
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?.try_into()
    };
    let all = || -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
        let others = compile(rules()?, libc::EPERM)?;
        // The C library takes this errno for an old kernel, and starts threads by clone(2), whose flags can be looked at.
        let clone3 = compile(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
        Ok(vec![own_numbers_alone(others), clone3])
    };
    all().map_err(|error| format!("there is no filter for this machine: {error}"))
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    for (call, when) in SOMETIMES {
        rules.entry(*call).or_default().push(when.rule()?);
    }
    // Its own threads alone: abort(3) does it.
    let own = u64::from(std::process::id());
    rules.entry(libc::SYS_tgkill).or_default().push(When::Not(0, &[own]).rule()?);
    Ok(rules)
}

impl When<'_> {
    fn rule(self) -> Result<SeccompRule, seccompiler::BackendError> {
        let condition =
            |argument, length, operator, value| SeccompCondition::new(argument, length, operator, value);
        let conditions: Result<Vec<_>, _> = match self {
            Self::Pointer(argument) => {
                vec![condition(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)]
            }
            Self::Not(argument, values) => values
                .iter()
                .map(|value| condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *value))
                .collect(),
            Self::Is(argument, value) => {
                vec![condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)]
            }
            Self::Bits(argument, mask, value) => {
                vec![condition(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)]
            }
        }
        .into_iter()
        .collect();
        SeccompRule::new(conditions?)
    }
}

/// Refuses the second set of numbers that `x86_64` has, x32: the lists name the first one.
#[cfg(target_arch = "x86_64")]
fn own_numbers_alone(program: BpfProgram) -> BpfProgram {
    use seccompiler::sock_filter;

    const X32_SYSCALL_BIT: u32 = 0x4000_0000;
    // linux/bpf_common.h, linux/filter.h, linux/seccomp.h
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;
    const NUMBER_AT: u32 = 0;
    let refusal = SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut whole = vec![
        sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: NUMBER_AT },
        sock_filter { code: JUMP_IF_GREATER_OR_EQUAL, jt: 0, jf: 1, k: X32_SYSCALL_BIT },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: refusal },
    ];
    whole.extend(program);
    whole
}

#[cfg(not(target_arch = "x86_64"))]
fn own_numbers_alone(program: BpfProgram) -> BpfProgram {
    program
}

#[cfg(test)]
mod tests;

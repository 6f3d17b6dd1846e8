//! System call numbers, and where arguments and result lie when the call returns.

use aya_ebpf::{
    helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
    programs::ProbeContext,
};

/// A system call that returns. Its arguments are still in the saved registers.
pub(crate) struct Syscall {
    regs: *const Regs,
    /// What it returns: not negative, or a negative errno.
    pub(crate) result: i64,
}

#[cfg(bpf_target_arch = "x86_64")]
mod native {
    pub(crate) type Regs = aya_ebpf::bindings::pt_regs;

    pub(crate) const OPEN: Option<u64> = Some(2);
    pub(crate) const WRITE: u64 = 1;
    pub(crate) const EXECVE: u64 = 59;
    pub(crate) const OPENAT: u64 = 257;
    pub(crate) const EXECVEAT: u64 = 322;
    pub(crate) const OPENAT2: u64 = 437;

    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn number(regs: *const Regs) -> u64 {
        // SAFETY: the verifier knows the pointer's type and checks the access.
        unsafe { (*regs).orig_rax }
    }

    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn result(regs: *const Regs) -> i64 {
        // SAFETY: as above.
        unsafe { (*regs).rax as i64 }
    }

    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn argument(regs: *const Regs, n: u32) -> u64 {
        // SAFETY: as above.
        unsafe {
            match n {
                0 => (*regs).rdi,
                1 => (*regs).rsi,
                _ => (*regs).rdx,
            }
        }
    }

    /// # Safety
    /// `regs` must be the registers that a user space probe is given.
    #[inline(always)]
    pub(crate) unsafe fn called_with(regs: *const Regs, n: u32) -> u64 {
        // SAFETY: as above. Functions take their first arguments in the registers that system calls do.
        unsafe { argument(regs, n) }
    }

    /// # Safety
    /// `regs` must be the registers that a user space probe is given.
    #[inline(always)]
    pub(crate) unsafe fn stack(regs: *const Regs) -> u64 {
        // SAFETY: the verifier knows the pointer's type and checks the access.
        unsafe { (*regs).rsp }
    }
}

#[cfg(bpf_target_arch = "aarch64")]
mod native {
    /// `struct pt_regs` of arch/arm64/include/asm/ptrace.h as far as it is read here.
    #[repr(C)]
    pub(crate) struct Regs {
        regs: [u64; 31],
        sp: u64,
        _pc_pstate: [u64; 2],
        orig_x0: u64,
        syscallno: i32,
    }

    pub(crate) const OPEN: Option<u64> = None;
    pub(crate) const WRITE: u64 = 64;
    pub(crate) const EXECVE: u64 = 221;
    pub(crate) const OPENAT: u64 = 56;
    pub(crate) const EXECVEAT: u64 = 281;
    pub(crate) const OPENAT2: u64 = 437;

    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn number(regs: *const Regs) -> u64 {
        // SAFETY: the verifier knows the pointer's type and checks the access.
        unsafe { (*regs).syscallno as u32 as u64 }
    }

    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn result(regs: *const Regs) -> i64 {
        // SAFETY: as above.
        unsafe { (*regs).regs[0] as i64 }
    }

    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn argument(regs: *const Regs, n: u32) -> u64 {
        // SAFETY: as above. The return value has replaced x0.
        unsafe {
            match n {
                0 => (*regs).orig_x0,
                1 => (*regs).regs[1],
                _ => (*regs).regs[2],
            }
        }
    }

    /// # Safety
    /// `regs` must be the registers that a user space probe is given.
    #[inline(always)]
    pub(crate) unsafe fn called_with(regs: *const Regs, n: u32) -> u64 {
        // SAFETY: as above.
        unsafe {
            match n {
                0 => (*regs).regs[0],
                1 => (*regs).regs[1],
                _ => (*regs).regs[2],
            }
        }
    }

    /// # Safety
    /// `regs` must be the registers that a user space probe is given.
    #[inline(always)]
    pub(crate) unsafe fn stack(regs: *const Regs) -> u64 {
        // SAFETY: the verifier knows the pointer's type and checks the access.
        unsafe { (*regs).sp }
    }
}

pub(crate) use native::{EXECVE, EXECVEAT, OPEN, OPENAT, OPENAT2, Regs, WRITE};

impl Syscall {
    /// # Safety
    /// `regs` must be saved user registers that the verifier knows as such.
    #[inline(always)]
    pub(crate) unsafe fn returning(regs: *const Regs, result: i64) -> Self {
        Self { regs, result }
    }

    /// The call that the current task returns from, where nothing hands over its registers. From 5.15.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: the helpers take and give pointers that the verifier follows; a task always has user registers,
        // if only the empty ones of a kernel thread.
        unsafe {
            let regs = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const Regs;
            Self { regs, result: native::result(regs) }
        }
    }

    /// The same call, where its result is known from elsewhere.
    #[inline(always)]
    pub(crate) fn with_result(self, result: i64) -> Self {
        Self { result, ..self }
    }

    /// Which call it is.
    #[inline(always)]
    pub(crate) fn number(&self) -> u64 {
        // SAFETY: `regs` came in through `returning` or `current`.
        unsafe { native::number(self.regs) }
    }

    /// The `n`th argument, 0 to 2.
    #[inline(always)]
    pub(crate) fn argument(&self, n: u32) -> u64 {
        // SAFETY: as above.
        unsafe { native::argument(self.regs, n) }
    }
}

/// A function of a user program, at its first instruction or at one that returns.
pub(crate) struct Frame(*const Regs);

impl Frame {
    #[inline(always)]
    pub(crate) fn of(ctx: &ProbeContext) -> Self {
        Self(ctx.regs.cast())
    }

    /// The `n`th argument, 0 to 2; at the first instruction only.
    #[inline(always)]
    pub(crate) fn argument(&self, n: u32) -> u64 {
        // SAFETY: `of` took them from a probe's context.
        unsafe { native::called_with(self.0, n) }
    }

    /// What it returns; at the last instruction only.
    #[inline(always)]
    pub(crate) fn result(&self) -> u64 {
        // SAFETY: as above.
        unsafe { native::result(self.0) as u64 }
    }

    /// The stack pointer: the same at both ends of one call, and another one for each call that is under way in a thread.
    #[inline(always)]
    pub(crate) fn stack(&self) -> u64 {
        // SAFETY: as above.
        unsafe { native::stack(self.0) }
    }
}

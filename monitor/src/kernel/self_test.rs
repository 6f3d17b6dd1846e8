//! gomon's own failing call, which the kernel programs answer: if the answer comes, they see.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::LazyLock,
};

/// What the calls of this process carry where an environment belongs. A container cannot guess it, and another gomon has
/// another one.
static MARK: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish() | 1);

/// What the kernel programs have to know; never 0.
pub(super) fn mark() -> u64 {
    *MARK
}

/// Makes the call: an execve(2) without a path, which fails with EFAULT before anything else of it is looked at. A confined
/// gomon can make it too, as long as its filter lets calls without a path pass, or answers them with an errno itself.
pub fn call() {
    // SAFETY: the kernel reads no memory of a path that is NULL, nor any behind the other two (fs/exec.c, `getname`
    // comes first). The call has no effect but its failure.
    unsafe {
        libc::syscall(libc::SYS_execve, 0_u64, 0_u64, mark());
    }
}

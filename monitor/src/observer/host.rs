//! The machine that gomon runs on, and gomon's own footprint on it.

use crate::model::observation::Host;

/// The kernel's type information takes tens of megabytes while it is read; the allocator would keep them.
pub(super) fn give_memory_back() {
    // SAFETY: malloc_trim(3) only returns free pages to the kernel.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The machine that gomon runs on.
pub fn host_facts() -> Host {
    let machine = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        _ => 0,
    };
    Host {
        machine,
        page_bytes: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
    }
}

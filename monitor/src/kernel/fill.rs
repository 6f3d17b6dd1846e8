//! How many bytes wait in a ring: reads the two positions that the kernel shows to user space, never a record.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

/// The first two pages of a ring: where its reader is, and where its writers are
/// (kernel/bpf/ringbuf.c, `struct bpf_ringbuf`).
pub(super) struct Fill {
    pages: NonNull<u8>,
    page_bytes: usize,
}

// SAFETY: the pages belong to the kernel and are only read, through atomics; any thread may do so and unmap them.
unsafe impl Send for Fill {}

impl Fill {
    /// Maps the positions of the ring behind `ring`. An error is the kernel's refusal of mmap(2).
    pub(super) fn of(ring: BorrowedFd<'_>) -> io::Result<Self> {
        let page_bytes = rustix::param::page_size();
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
        let pages = unsafe {
            let (read, shared) = (libc::PROT_READ, libc::MAP_SHARED);
            libc::mmap(ptr::null_mut(), 2 * page_bytes, read, shared, ring.as_raw_fd(), 0)
        };
        if pages == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let pages = NonNull::new(pages.cast::<u8>()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pages, page_bytes })
    }

    /// Bytes between the writers and the reader, headers of records included.
    pub(super) fn bytes(&self) -> u64 {
        // The reader's place first: it never overtakes the writers, so the difference is not below zero.
        let (read, written) = (self.position(0), self.position(self.page_bytes));
        written.saturating_sub(read)
    }

    fn position(&self, offset_bytes: usize) -> u64 {
        // SAFETY: both offsets are starts of pages of the mapping, which lives as long as this value; the kernel writes
        // them as whole, aligned words.
        let position = unsafe { self.pages.byte_add(offset_bytes).cast::<AtomicU64>().as_ref() };
        position.load(Ordering::Acquire)
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        // SAFETY: the mapping of `Fill::of`, which nothing refers to any more. A failure would leave it mapped.
        let _ = unsafe { libc::munmap(self.pages.as_ptr().cast(), 2 * self.page_bytes) };
    }
}

//! Sets one breakpoint in a file through `perf_event_open(2)`; it is gone when its descriptor is closed. What aya does with
//! the same call needs the program's owner, and with it the thread that reads the rings.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use zerocopy::{Immutable, IntoBytes};

/// The number by which the kernel knows uprobes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pmu(u32);

/// `struct perf_event_attr` of `include/uapi/linux/perf_event.h`, as long as it was in its second version.
#[derive(Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    /// `uprobe_path`: the address of a path.
    config1: u64,
    /// `probe_offset`.
    config2: u64,
}

/// `PERF_EVENT_IOC_SET_BPF`, `_IOW('$', 8, __u32)`.
const SET_BPF: libc::Ioctl = 0x4004_2408;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

impl Pmu {
    pub(super) fn of_uprobes() -> io::Result<Self> {
        let text = fs::read_to_string("/sys/bus/event_source/devices/uprobe/type")?;
        text.trim().parse().map(Self).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// `program` runs in every process that comes to the instruction at `offset` of `file`, on every processor.
    pub(super) fn set(
        self,
        program: BorrowedFd<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
    ) -> io::Result<OwnedFd> {
        // The descriptor is the file that was opened inside the container's root; its path could mean another by now.
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let size = u32::try_from(size_of::<Attributes>()).unwrap_or_default();
        let attributes = Attributes {
            kind: self.0,
            size,
            config1: path.as_ptr().expose_provenance() as u64,
            config2: offset,
            ..Attributes::default()
        };
        // Of all processes, and on one processor: the program runs on all of them nevertheless.
        let (all, processor, no_group) = (-1_i32, 0_i32, -1_i32);
        // SAFETY: the attributes say their size, and they and the path live until the call returns.
        let opened = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                attributes.as_bytes().as_ptr(),
                all,
                processor,
                no_group,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        let opened = i32::try_from(opened).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel gave it to this call alone.
        let event = unsafe { OwnedFd::from_raw_fd(opened) };
        // SAFETY: both descriptors are open; the argument is a number.
        let attached = unsafe { libc::ioctl(event.as_raw_fd(), SET_BPF, program.as_raw_fd()) };
        if attached == 0 { Ok(event) } else { Err(io::Error::last_os_error()) }
    }
}

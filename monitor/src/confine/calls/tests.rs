//! The filter on a thread of the test: it holds for that one and those that it starts.

use std::{ffi::CString, io, thread};

use seccompiler::apply_filter;

use super::*;

/// What a call says, made by a thread behind the filter.
fn behind_the_filter<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> T {
    let behind = thread::spawn(move || {
        for program in programs().unwrap() {
            apply_filter(&program).unwrap();
        }
        look()
    });
    behind.join().unwrap()
}

/// The errno of a call by its number; 0 where it succeeds.
fn errno(number: i64, arguments: [u64; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    // SAFETY: the calls of these tests are refused, or have arguments that cannot do harm.
    match unsafe { libc::syscall(number, a, b, c, d) } {
        -1 => io::Error::last_os_error().raw_os_error().unwrap_or_default(),
        _ => 0,
    }
}

#[test]
fn what_changes_the_host_or_other_processes_is_refused() {
    let refused =
        behind_the_filter(|| ALWAYS.iter().map(|call| (*call, errno(*call, [0; 4]))).collect::<Vec<_>>());
    for (call, errno) in refused {
        assert_eq!(errno, libc::EPERM, "call {call}");
    }
}

#[test]
fn a_program_cannot_be_started_and_a_call_without_a_path_still_reaches_the_kernel() {
    let path = CString::new("/bin/true").unwrap();
    let answers = behind_the_filter(move || {
        let path = path.as_ptr().expose_provenance() as u64;
        [
            errno(libc::SYS_execve, [path, 0, 0, 0]),
            errno(libc::SYS_execveat, [u64::MAX, path, 0, 0]),
            errno(libc::SYS_execve, [0; 4]),
            errno(libc::SYS_execveat, [u64::MAX, 0, 0, 0]),
        ]
    });
    assert_eq!(answers, [libc::EPERM, libc::EPERM, libc::EFAULT, libc::EFAULT]);
}

#[test]
fn threads_can_be_started_and_processes_cannot() {
    let (thread, process) = behind_the_filter(|| {
        let thread = thread::Builder::new().spawn(|| 7).map(|started| started.join().unwrap());
        (thread.map_err(|error| error.to_string()), errno(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0]))
    });
    assert_eq!((thread, process), (Ok(7), libc::EPERM));
    assert_eq!(behind_the_filter(|| errno(libc::SYS_clone3, [0; 4])), libc::ENOSYS);
    let namespace = CLONE_THREAD_AND_NAMESPACE;
    assert_eq!(behind_the_filter(move || errno(libc::SYS_clone, [namespace, 0, 0, 0])), libc::EPERM);
}

/// With the memory and the signal handlers that a thread shares, and another mount namespace.
const CLONE_THREAD_AND_NAMESPACE: u64 = 0x0001_0000 | 0x0000_0100 | 0x0000_0800 | 0x0002_0000;

#[test]
fn maps_are_used_and_nothing_is_loaded() {
    const PROG_LOAD: u64 = 5;
    const LOOKUP: u64 = 1;
    // Zeroes, longer than any attributes.
    let attributes = vec![0_u64; 64];
    let answers = behind_the_filter(move || {
        let at = attributes.as_ptr().expose_provenance() as u64;
        [
            errno(libc::SYS_bpf, [PROG_LOAD, at, 128, 0]),
            errno(libc::SYS_bpf, [28, at, 64, 0]),
            errno(libc::SYS_bpf, [LOOKUP, at, 32, 0]),
        ]
    });
    assert_eq!(answers[..2], [libc::EPERM, libc::EPERM]);
    // Descriptor 0 is no map; a user without capabilities may not ask on older kernels.
    assert!([libc::EINVAL, libc::EBADF, libc::EPERM].contains(&answers[2]), "{answers:?}");
}

#[test]
fn sockets_are_of_the_internet_or_local_and_signals_go_to_oneself_alone() {
    const PACKET: u64 = 17;
    const VSOCK: u64 = 40;
    let stream = libc::SOCK_STREAM as u64;
    let answers = behind_the_filter(move || {
        let own = u64::from(std::process::id());
        let thread = u64::from(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs());
        [
            errno(libc::SYS_socket, [PACKET, stream, 0, 0]),
            errno(libc::SYS_socket, [VSOCK, stream, 0, 0]),
            errno(libc::SYS_socket, [1, stream, 0, 0]),
            errno(libc::SYS_tgkill, [own, thread, 0, 0]),
            errno(libc::SYS_tgkill, [1, 1, 0, 0]),
        ]
    });
    assert_eq!(answers, [libc::EPERM, libc::EPERM, 0, 0, libc::EPERM]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_second_set_of_numbers_is_no_way_around() {
    const GETPID_OF_X32: i64 = 0x4000_0000 + 39;
    assert_eq!(behind_the_filter(|| errno(GETPID_OF_X32, [0; 4])), libc::EPERM);
}

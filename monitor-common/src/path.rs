//! Which class a path belongs to: the kernel side's decision whether user space wants an open.
//!
//! Written for the verifier: fixed-size buffer, masked indices, bounded loops; no slices, no panics.

use crate::limits::PATH_BYTES;

/// Why user space wants to see an open of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[repr(u32)]
pub enum PathClass {
    /// Of no class. Still seen where the errno itself tells something (EACCES, EROFS, …).
    Other = 0,
    /// `*.so`, `*.so.1.2`: shared libraries, libc and the loader included.
    SharedLibrary = 1,
    /// `/etc/ld.so.cache`: the glibc loader is at work.
    LoaderCache = 2,
    /// A file or directory where Go looks for root certificates.
    TrustStore = 3,
    /// `*.crt`, `*.pem`, `*.key`, `*.cert` elsewhere.
    Certificate = 4,
    /// `/proc/sys/kernel/osrelease`.
    OsRelease = 5,
    /// `/etc/passwd`, `/etc/group`.
    UserDatabase = 6,
    /// `/etc/resolv.conf`, `/etc/hosts`, `/etc/nsswitch.conf`.
    Resolver = 7,
    /// The transparent-huge-page size: the Go runtime reads it first thing (runtime/os_linux.go).
    GoRuntimeStart = 8,
    /// Below a zoneinfo directory.
    TimeZone = 9,
    /// Below `/tmp` or `/var/tmp`.
    Temporary = 10,
}

/// A path as read from user memory: NUL-terminated, bytes behind the NUL undefined.
pub type PathBuffer = [u8; PATH_BYTES];

const MASK: usize = PATH_BYTES - 1;

/// Compares `buffer[at..at + N]` with `want`.
#[inline(always)]
fn matches<const N: usize>(buffer: &PathBuffer, at: usize, want: &[u8; N]) -> bool {
    let mut differ = 0_u8;
    let mut i = 0;
    while i < N {
        differ |= buffer[(at + i) & MASK] ^ want[i];
        i += 1;
    }
    differ == 0
}

/// The path starts with `prefix`.
#[inline(always)]
fn starts<const N: usize>(buffer: &PathBuffer, len: usize, prefix: &[u8; N]) -> bool {
    len >= N && matches(buffer, 0, prefix)
}

/// The path is `whole`.
#[inline(always)]
fn is<const N: usize>(buffer: &PathBuffer, len: usize, whole: &[u8; N]) -> bool {
    len == N && matches(buffer, 0, whole)
}

/// The path ends with `suffix`.
#[inline(always)]
fn ends<const N: usize>(buffer: &PathBuffer, len: usize, suffix: &[u8; N]) -> bool {
    len >= N && matches(buffer, len - N, suffix)
}

/// `*.so` followed by nothing but digits and dots.
#[inline(always)]
fn is_shared_library(buffer: &PathBuffer, len: usize) -> bool {
    let mut end = len;
    let mut i = 0;
    // A version longer than this is no soname.
    while i < 20 {
        if end < 4 {
            return false;
        }
        let last = buffer[(end - 1) & MASK];
        if !(last.is_ascii_digit() || last == b'.') {
            break;
        }
        end -= 1;
        i += 1;
    }
    ends(buffer, end, b".so")
}

/// Classifies the first `len` bytes of `buffer` (the NUL not counted).
#[inline(always)]
#[must_use]
pub fn classify(buffer: &PathBuffer, len: usize) -> PathClass {
    if len == 0 || len > MASK {
        return PathClass::Other;
    }
    if buffer[0] == b'/' {
        let by_place = classify_place(buffer, len);
        if !matches!(by_place, PathClass::Other) {
            return by_place;
        }
    }
    if is_shared_library(buffer, len) {
        return PathClass::SharedLibrary;
    }
    if ends(buffer, len, b".crt")
        || ends(buffer, len, b".pem")
        || ends(buffer, len, b".key")
        || ends(buffer, len, b".cert")
    {
        return PathClass::Certificate;
    }
    PathClass::Other
}

/// Classes that are known by an absolute place.
#[inline(always)]
fn classify_place(buffer: &PathBuffer, len: usize) -> PathClass {
    match buffer[1] {
        b'e' if starts(buffer, len, b"/etc/") => classify_etc(buffer, len),
        b'p' if is(buffer, len, b"/proc/sys/kernel/osrelease") => PathClass::OsRelease,
        b's' if is(buffer, len, b"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") => {
            PathClass::GoRuntimeStart
        }
        b's' if starts(buffer, len, b"/system/etc/security/cacerts") => PathClass::TrustStore,
        b't' if starts(buffer, len, b"/tmp/") => PathClass::Temporary,
        b'v' if starts(buffer, len, b"/var/tmp/") => PathClass::Temporary,
        b'u' if starts(buffer, len, b"/usr/share/zoneinfo/")
            || starts(buffer, len, b"/usr/share/lib/zoneinfo/")
            || starts(buffer, len, b"/usr/lib/locale/TZ/") =>
        {
            PathClass::TimeZone
        }
        _ => PathClass::Other,
    }
}

/// Classes below `/etc/`.
#[inline(always)]
fn classify_etc(buffer: &PathBuffer, len: usize) -> PathClass {
    if starts(buffer, len, b"/etc/ssl/") || starts(buffer, len, b"/etc/pki/") {
        return PathClass::TrustStore;
    }
    if is(buffer, len, b"/etc/ld.so.cache") {
        return PathClass::LoaderCache;
    }
    if is(buffer, len, b"/etc/passwd") || is(buffer, len, b"/etc/group") {
        return PathClass::UserDatabase;
    }
    if is(buffer, len, b"/etc/resolv.conf")
        || is(buffer, len, b"/etc/hosts")
        || is(buffer, len, b"/etc/nsswitch.conf")
    {
        return PathClass::Resolver;
    }
    if starts(buffer, len, b"/etc/zoneinfo/") || is(buffer, len, b"/etc/localtime") {
        return PathClass::TimeZone;
    }
    PathClass::Other
}

impl PathClass {
    /// All classes in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Other,
        Self::SharedLibrary,
        Self::LoaderCache,
        Self::TrustStore,
        Self::Certificate,
        Self::OsRelease,
        Self::UserDatabase,
        Self::Resolver,
        Self::GoRuntimeStart,
        Self::TimeZone,
        Self::Temporary,
    ];

    /// The class whose number is `number`.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// Whether user space wants an open of `class` that returned `result` (a descriptor or a negative errno).
///
/// A failed open of no class is wanted only for the errnos that are no ordinary probing:
/// not ENOENT, ENOTDIR, EEXIST, EINTR, EAGAIN, ENXIO, ELOOP (`O_NOFOLLOW`).
#[inline(always)]
#[must_use]
pub fn wanted(class: PathClass, result: i64) -> bool {
    match class {
        PathClass::Other => result < 0 && !matches!(result, -2 | -20 | -17 | -4 | -11 | -6 | -40),
        // Successful opens of these are the everyday work of a program.
        PathClass::Temporary | PathClass::TimeZone | PathClass::Resolver => result < 0,
        PathClass::SharedLibrary
        | PathClass::LoaderCache
        | PathClass::TrustStore
        | PathClass::Certificate
        | PathClass::OsRelease
        | PathClass::UserDatabase
        | PathClass::GoRuntimeStart => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &str) -> PathClass {
        // Garbage behind the NUL, as in the kernel's buffers.
        let mut buffer = [b'o'; PATH_BYTES];
        buffer[..path.len()].copy_from_slice(path.as_bytes());
        buffer[path.len()] = 0;
        classify(&buffer, path.len())
    }

    #[test]
    fn paths_fall_into_their_classes() {
        use PathClass::*;
        for (path, want) in [
            ("/lib/x86_64-linux-gnu/libc.so.6", SharedLibrary),
            ("/usr/lib/libfoo.so", SharedLibrary),
            ("libbar.so.1.2.3", SharedLibrary),
            ("/lib/ld-musl-x86_64.so.1", SharedLibrary),
            ("/x/.so", SharedLibrary),
            ("/usr/lib/also", Other),
            ("/usr/lib/x.so.conf", Other),
            ("/data/1.2.3", Other),
            ("1.2.3", Other),
            ("/etc/ld.so.cache", LoaderCache),
            ("/etc/ssl/certs/ca-certificates.crt", TrustStore),
            ("/etc/ssl/certs", TrustStore),
            ("/etc/pki/tls/certs", TrustStore),
            ("/system/etc/security/cacerts", TrustStore),
            ("/app/tls.key", Certificate),
            ("tls.pem", Certificate),
            ("/proc/sys/kernel/osrelease", OsRelease),
            ("/proc/sys/kernel/osrelease2", Other),
            ("/etc/passwd", UserDatabase),
            ("/etc/passwd-", Other),
            ("/etc/resolv.conf", Resolver),
            ("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", GoRuntimeStart),
            ("/usr/share/zoneinfo//Europe/Berlin", TimeZone),
            ("/tmp/x", Temporary),
            ("/tmp", Other),
            ("/", Other),
            ("", Other),
        ] {
            assert_eq!(class(path), want, "{path}");
        }
    }

    #[test]
    fn ordinary_misses_stay_in_the_kernel() {
        assert!(!wanted(PathClass::Other, -2));
        assert!(!wanted(PathClass::Other, 3));
        assert!(wanted(PathClass::Other, -30));
        assert!(wanted(PathClass::SharedLibrary, -2));
        assert!(wanted(PathClass::TrustStore, 3));
        assert!(!wanted(PathClass::Temporary, 3));
    }
}

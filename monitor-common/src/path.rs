//! Which class a path belongs to: the kernel side's decision whether user space wants an open.
//!
//! Written for the verifier: fixed-size buffer of words, masked indices, few branches; no slices, no panics.

#![expect(
    clippy::inline_always,
    reason = "the verifier follows one program, not calls with pointers into maps"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "masked or constant indices; a checked one would bring a panic into the kernel"
)]
#![expect(clippy::cast_possible_truncation, reason = "the second byte of a word, and a shift below 64")]

use core::hint::black_box;

use crate::limits::PATH_BYTES;

/// Why user space wants to see an open of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[repr(u32)]
pub enum PathClass {
    /// Of no class. Still seen where the errno itself tells something (EACCES, EROFS, …).
    Other = 0,
    /// `*.so`, `*.so.*`: shared libraries, libc and the loader included.
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
    /// The transparent-huge-page size: the Go runtime reads it first thing (`runtime/os_linux.go`).
    GoRuntimeStart = 8,
    /// Below a zoneinfo directory.
    TimeZone = 9,
    /// Below `/tmp` or `/var/tmp`.
    Temporary = 10,
}

/// A path as read from user memory: NUL-terminated, bytes behind the NUL undefined, little-endian words.
pub type PathBuffer = [u64; PATH_WORDS];

const PATH_WORDS: usize = PATH_BYTES / 8;

/// Eight bytes as the word that a little-endian load gives; a shorter text fills the low bytes.
const fn word_of(text: &[u8], from: usize) -> u64 {
    let mut value = 0;
    let mut i = 0;
    while i < 8 && from + i < text.len() {
        value |= (text[from + i] as u64) << (8 * i);
        i += 1;
    }
    value
}

/// The low bytes of a word that a text of `left` bytes fills.
const fn mask_of(left: usize) -> u64 {
    if left >= 8 { u64::MAX } else { (1 << (8 * left)) - 1 }
}

/// The path starts with `prefix`.
#[inline(always)]
fn starts<const N: usize>(path: &PathBuffer, len: usize, prefix: &[u8; N]) -> bool {
    let mut differ = 0;
    let mut i = 0;
    while i < N {
        differ |= (path[i / 8] & mask_of(N - i)) ^ word_of(prefix, i);
        i += 8;
    }
    len >= N && differ == 0
}

/// The path is `whole`.
#[inline(always)]
fn is<const N: usize>(path: &PathBuffer, len: usize, whole: &[u8; N]) -> bool {
    len == N && starts(path, len, whole)
}

/// The eight bytes that end `skip` bytes before the end; of a shorter path its bytes come last.
#[inline(always)]
fn tail(path: &PathBuffer, len: usize, skip: usize) -> u64 {
    if len < 8 + skip {
        let missing = 8 + skip - len;
        return if missing < 8 { path[0] << (8 * missing) } else { 0 };
    }
    // The compiler would drop masks that it can prove needless; the verifier cannot follow that proof.
    let start = black_box(len - 8 - skip);
    let low = path[(start / 8) & (PATH_WORDS - 1)];
    let high = path[(start / 8 + 1) & (PATH_WORDS - 1)];
    let shift = 8 * (start & 7) as u32;
    // Two shifts: one by 64 is undefined.
    (low >> shift) | (high << (63 - shift) << 1)
}

/// The last bytes, held in `tail`, are `suffix`.
#[inline(always)]
fn ends<const N: usize>(tail: u64, suffix: &[u8; N]) -> bool {
    tail >> (64 - 8 * N) == word_of(suffix, 0)
}

/// One of the word's bytes is a dot.
#[inline(always)]
fn has_dot(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    const DOTS: u64 = u64::from_le_bytes([b'.'; 8]);
    let zero_where_dot = word ^ DOTS;
    zero_where_dot.wrapping_sub(ONES) & !zero_where_dot & HIGH != 0
}

/// `.so.` somewhere in the last sixteen bytes.
#[inline(always)]
fn is_versioned_library(last: u64, before: u64) -> bool {
    const DOT_SO_DOT: u64 = word_of(b".so.", 0);
    let mut found = false;
    let mut i = 0;
    while i < 8 {
        let window = if i == 0 { before } else { (before >> (8 * i)) | (last << (64 - 8 * i)) };
        found |= window & 0xffff_ffff == DOT_SO_DOT;
        i += 1;
    }
    let mut i = 0;
    while i < 5 {
        found |= (last >> (8 * i)) & 0xffff_ffff == DOT_SO_DOT;
        i += 1;
    }
    found
}

/// Classifies the first `len` bytes of `path` (the NUL not counted).
#[inline(always)]
#[must_use]
pub fn classify(path: &PathBuffer, len: usize) -> PathClass {
    if len == 0 || len >= PATH_BYTES {
        return PathClass::Other;
    }
    let by_place = classify_place(path, len);
    if !matches!(by_place, PathClass::Other) {
        return by_place;
    }
    let (last, before) = (tail(path, len, 0), tail(path, len, 8));
    // Every other class has a dot there, and most paths have none.
    if !has_dot(last) && !has_dot(before) {
        return PathClass::Other;
    }
    if ends(last, b".so") || is_versioned_library(last, before) {
        return PathClass::SharedLibrary;
    }
    if ends(last, b".crt") || ends(last, b".pem") || ends(last, b".key") || ends(last, b".cert") {
        return PathClass::Certificate;
    }
    PathClass::Other
}

/// Classes that are known by an absolute place. The second byte of the path chooses.
#[inline(always)]
fn classify_place(path: &PathBuffer, len: usize) -> PathClass {
    match (path[0] >> 8) as u8 {
        b'e' if starts(path, len, b"/etc/") => classify_etc(path, len),
        b'p' if is(path, len, b"/proc/sys/kernel/osrelease") => PathClass::OsRelease,
        b's' if is(path, len, b"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") => {
            PathClass::GoRuntimeStart
        }
        b's' if starts(path, len, b"/system/etc/security/cacerts") => PathClass::TrustStore,
        b't' if starts(path, len, b"/tmp/") => PathClass::Temporary,
        b'v' if starts(path, len, b"/var/tmp/") => PathClass::Temporary,
        b'u' if starts(path, len, b"/usr/share/zoneinfo/")
            || starts(path, len, b"/usr/share/lib/zoneinfo/")
            || starts(path, len, b"/usr/lib/locale/TZ/") =>
        {
            PathClass::TimeZone
        }
        _ => PathClass::Other,
    }
}

/// Classes below `/etc/`.
#[inline(always)]
fn classify_etc(path: &PathBuffer, len: usize) -> PathClass {
    if starts(path, len, b"/etc/ssl/") || starts(path, len, b"/etc/pki/") {
        return PathClass::TrustStore;
    }
    if is(path, len, b"/etc/ld.so.cache") {
        return PathClass::LoaderCache;
    }
    if is(path, len, b"/etc/passwd") || is(path, len, b"/etc/group") {
        return PathClass::UserDatabase;
    }
    if is(path, len, b"/etc/resolv.conf")
        || is(path, len, b"/etc/hosts")
        || is(path, len, b"/etc/nsswitch.conf")
    {
        return PathClass::Resolver;
    }
    if starts(path, len, b"/etc/zoneinfo/") || is(path, len, b"/etc/localtime") {
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
        let mut words = [0; PATH_WORDS];
        for (word, bytes) in words.iter_mut().zip(buffer.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().unwrap());
        }
        classify(&words, path.len())
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
            // Close enough: user space knows better.
            ("/usr/lib/x.so.conf", SharedLibrary),
            ("x.so", SharedLibrary),
            ("a.so.1", SharedLibrary),
            ("/usr/lib/libfoo.so.1.22.333", SharedLibrary),
            ("/usr/lib/libfoo.so.d/another-file", Other),
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
            ("/etc/nothing/here/at/all", Other),
            ("/a/.so/at/the/beginning/of/a/path", Other),
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

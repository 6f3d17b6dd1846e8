//! Root file systems in which every path that gomon looks at is a trick.

use std::{
    fs::{self, File},
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::guard::Guarded;
use crate::support::{fixture, install};

/// What gomon looks at of its own accord or when something fails, programs apart.
const PATHS: [&str; 19] = [
    "etc/passwd",
    "etc/group",
    "etc/nsswitch.conf",
    "etc/resolv.conf",
    "etc/localtime",
    "etc/os-release",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/ld-musl-x86_64.path",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
    "lib64/ld-linux-x86-64.so.2",
    "lib/ld-musl-x86_64.so.1",
    "lib/x86_64-linux-gnu/libc.so.6",
    "usr/lib/x86_64-linux-gnu/libdl.so.2",
    "usr/share/zoneinfo/UTC",
    "app/entry",
];

/// What lies at such a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trick {
    AbsoluteLink,
    ClimbingLink,
    MagicLink,
    Loop,
    Pipe,
    Socket,
    Terminal,
    Directory,
    /// 1 GiB without a block.
    Sparse,
    /// A program header that lies, a script of the host's file, and bytes without end of line.
    Garbage,
}

impl Trick {
    pub(super) const ALL: [Self; 10] = [
        Self::AbsoluteLink,
        Self::ClimbingLink,
        Self::MagicLink,
        Self::Loop,
        Self::Pipe,
        Self::Socket,
        Self::Terminal,
        Self::Directory,
        Self::Sparse,
        Self::Garbage,
    ];

    fn place(self, at: &Path, guarded: &Guarded) {
        let canary = guarded.path.display();
        let name = at.file_name().unwrap();
        match self {
            Self::AbsoluteLink => symlink(&guarded.path, at).unwrap(),
            Self::ClimbingLink => symlink(format!("{}{canary}", "../".repeat(40)), at).unwrap(),
            Self::MagicLink => symlink(format!("/proc/self/root/proc/1/root{canary}"), at).unwrap(),
            Self::Loop => symlink(name, at).unwrap(),
            Self::Pipe => mknodat(CWD, at, FileType::Fifo, Mode::RWXU, 0).unwrap(),
            Self::Socket => drop(UnixListener::bind(at).unwrap()),
            // To open it may wait for a carrier.
            Self::Terminal => {
                mknodat(CWD, at, FileType::CharacterDevice, Mode::RWXU, makedev(4, 64)).unwrap();
            }
            Self::Directory => fs::create_dir(at).unwrap(),
            Self::Sparse => File::create(at).unwrap().set_len(1 << 30).unwrap(),
            Self::Garbage => fs::write(at, garbage(guarded)).unwrap(),
        }
    }
}

/// It begins as a 64-bit ELF file for this machine; every offset in it points somewhere far.
fn garbage(guarded: &Guarded) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    bytes.extend([0xff; 4096]);
    bytes.extend(format!("#!{}\n", guarded.path.display()).bytes());
    bytes
}

/// A root file system, gone with its value.
pub(super) struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    /// With two probes that work, and nothing else.
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["probe.static", "probe.glibc"] {
            install(&fixture("bin").join(name), &dir.path().join("app").join(name), 0o755);
        }
        for mount in ["proc", "dev"] {
            fs::create_dir(dir.path().join(mount)).unwrap();
        }
        Self { dir }
    }

    pub(super) fn full_of(trick: Trick, guarded: &Guarded) -> Self {
        let root = Self::new();
        for path in PATHS {
            let at = root.path().join(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            trick.place(&at, guarded);
        }
        root
    }

    pub(super) fn without(&self, paths: &[&str]) {
        for path in paths {
            let at = self.path().join(path);
            // Some are directories.
            fs::remove_file(&at).or_else(|_| fs::remove_dir(&at)).unwrap();
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

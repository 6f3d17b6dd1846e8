//! What inspection can learn about a container. Unknown is not absent: it says why nobody knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

pub use super::binary::{
    Content, Elf, GoBuild, Interpreter, Libraries, MissingLibrary, RejectedLibrary, Script, UnmetVersion,
    UnresolvedSymbol, VersionNeed,
};
use super::{
    container::Identity,
    image::ImageConfig,
    living::{CpuStat, ProcessTable},
    pem::Pem,
    seccomp::SeccompDenials,
};

/// A fact that may not have been established.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known<T> {
    Is(T),
    /// Nobody looked, or looking failed; the reason.
    Unknown(String),
}

impl<T> Known<T> {
    /// The value, if it is known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Nobody knows, for this reason.
    pub fn unknown(reason: impl fmt::Display) -> Self {
        Self::Unknown(reason.to_string())
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self::Unknown("not looked at".to_owned())
    }
}

/// One thing learned about a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    Identity(Identity),
    Config(Known<Config>),
    Entrypoint(Known<Entrypoint>),
    /// The file at an absolute path inside the container.
    File {
        path: String,
        file: Known<FileFact>,
    },
    /// The C library of the root file system; `Is(None)`: there is none.
    Libc(Known<Option<Libc>>),
    TrustStore(Known<TrustStore>),
    Passwd(Known<Passwd>),
    /// What the runtime keeps about a container's last exit.
    RuntimeState(RuntimeState),
    Image(Known<ImageConfig>),
    /// A file with certificates or a private key, by its absolute path inside the container.
    Pem {
        path: String,
        pem: Known<Pem>,
    },
    /// Which of [`LINKED_PACKAGES`] the Go program at this path contains.
    Linked {
        path: String,
        packages: Known<BTreeSet<String>>,
    },
    Processes(Known<ProcessTable>),
    Cpu(Known<CpuStat>),
    /// Failing calls of dlopen(3) are seen; `Is(false)`: what the container starts with is no Go program that can make one.
    DlopenWatched(Known<bool>),
}

/// Go packages whose presence in a program decides a pattern.
pub const LINKED_PACKAGES: [&str; 2] = ["net/http/pprof", "time/tzdata"];

impl Fact {
    /// Nobody could establish it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Config(Known::Unknown(_))
            | Self::Entrypoint(Known::Unknown(_) | Known::Is(Entrypoint { file: Known::Unknown(_), .. }))
            | Self::File { file: Known::Unknown(_), .. }
            | Self::Libc(Known::Unknown(_))
            | Self::TrustStore(Known::Unknown(_))
            | Self::Passwd(Known::Unknown(_))
            | Self::Pem { pem: Known::Unknown(_), .. }
            | Self::Linked { packages: Known::Unknown(_), .. }
            | Self::Processes(Known::Unknown(_))
            | Self::Cpu(Known::Unknown(_))
            | Self::DlopenWatched(Known::Unknown(_)) => true,
            Self::Identity(_)
            | Self::Config(Known::Is(_))
            | Self::Entrypoint(Known::Is(_))
            | Self::File { .. }
            | Self::Libc(Known::Is(_))
            | Self::TrustStore(Known::Is(_))
            | Self::Passwd(Known::Is(_))
            // Only Docker tells it.
            | Self::Image(_)
            | Self::Pem { .. }
            | Self::Linked { .. }
            | Self::Processes(Known::Is(_))
            | Self::Cpu(Known::Is(_))
            | Self::DlopenWatched(Known::Is(_))
            | Self::RuntimeState(_) => false,
        }
    }
}

/// A question to the inspector. Facts that are gathered at birth are never asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// The file at this absolute path inside the container.
    File(String),
    /// The certificates and the key in the file at this absolute path.
    Pem(String),
    /// Which of [`LINKED_PACKAGES`] the Go program at this absolute path contains.
    Linked(String),
    /// The processes of the container now.
    Processes,
    /// How often its CPU quota ran out until now.
    Cpu,
}

/// The parts of an OCI runtime configuration (config.json) that patterns rest on.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the OCI configuration")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `process.args`.
    pub args: Vec<String>,
    /// `process.env` as names and values; values of names that look secret are replaced by `***` before they get here.
    pub env: BTreeMap<String, String>,
    pub cwd: String,
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
    /// `process.capabilities.bounding` as a bit mask by capability number; `None` where the file names no capabilities.
    pub bounding_caps: Option<u64>,
    pub effective_caps: Option<u64>,
    pub no_new_privileges: bool,
    pub seccomp: bool,
    pub terminal: bool,
    pub readonly_root: bool,
    pub mounts: Vec<Mount>,
    /// `linux.resources.memory.limit`.
    pub memory_limit_bytes: Option<u64>,
    /// `linux.resources.cpu`: quota and period in microseconds, where there is a quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<CpuQuota>,
    /// `linux.maskedPaths`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked_paths: Vec<String>,
    /// What its seccomp profile refuses; `None` where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_denials: Option<SeccompDenials>,
    /// `process.apparmorProfile` or `process.selinuxLabel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_label: Option<String>,
    /// `linux.uidMappings` is not empty.
    pub user_namespace: bool,
    /// The container has a pid namespace of its own.
    pub own_pid_namespace: bool,
}

/// `linux.resources.cpu.quota` and `period`, cgroups(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    pub quota_us: u64,
    pub period_us: u64,
}

/// One entry of `mounts` in config.json.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mount {
    pub destination: String,
    /// `bind`, `tmpfs`, `proc`, …
    pub kind: String,
    pub source: String,
    pub options: Vec<String>,
}

/// The command that the container was told to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrypoint {
    /// `process.args[0]` as written.
    pub command: String,
    /// The absolute paths that were tried, in order; one where the command has a slash.
    pub searched: Vec<String>,
    /// The file that the runtime will execute, or the reason why there is none.
    pub file: Known<FileFact>,
}

/// What stands at a path inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFact {
    Absent {
        /// The path that was looked up; a command as written where no directory of `PATH` has it.
        path: String,
        /// The first component that does not exist, as an absolute path; for a dangling link its target.
        missing: String,
    },
    Present(Box<File>),
}

impl FileFact {
    /// The file, where one is there.
    #[must_use]
    pub fn present(&self) -> Option<&File> {
        match self {
            Self::Present(file) => Some(file),
            Self::Absent { .. } => None,
        }
    }
}

/// A file inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The path that was looked up.
    pub path: String,
    /// The path after all symbolic links, inside the container.
    pub resolved: String,
    pub kind: FileKind,
    /// Permission bits, `st_mode & 0o7777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size_bytes: u64,
    /// The destination of the `noexec` mount that it lies on.
    pub noexec_mount: Option<String>,
    /// The first directory on the way that the container's user may not search, with its mode.
    pub closed_directory: Option<(String, u32)>,
    /// `security.capability`, capabilities(7).
    pub capabilities: Option<FileCapabilities>,
    pub content: Known<Content>,
}

impl File {
    /// The ELF facts, where it is an ELF file that could be read.
    #[must_use]
    pub fn elf(&self) -> Option<&Elf> {
        match self.content.get()? {
            Content::Elf(elf) => Some(elf),
            Content::Script(_) | Content::Empty | Content::ByteOrderMarkedScript | Content::Other { .. } => {
                None
            }
        }
    }
}

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    Regular,
    Directory,
    Other,
}

/// The `security.capability` extended attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCapabilities {
    /// Bit mask by capability number.
    pub permitted: u64,
    /// With the effective bit, execve(2) fails with EPERM unless all permitted ones are granted.
    pub effective: bool,
}

/// The C library of a root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libc {
    pub kind: LibcKind,
    /// For glibc the highest `GLIBC_x.y` that it offers, without the prefix.
    pub version: Option<String>,
    /// Where it lies inside the container.
    pub path: String,
}

/// Which C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibcKind {
    Glibc,
    Musl,
}

/// The places where Go looks for root certificates (`crypto/x509/root_linux.go`), as found in the container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustStore {
    /// Bundle files in Go's order, `SSL_CERT_FILE` alone where it is set.
    pub files: Vec<(String, TrustState)>,
    /// Directories in Go's order, those of `SSL_CERT_DIR` where it is set.
    pub directories: Vec<(String, TrustState)>,
    /// The validity of the certificates in the first bundle that has any.
    pub dates: Option<CertificateDates>,
}

/// The validity of a bundle's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateDates {
    /// Seconds since the Unix epoch.
    pub newest_not_before_s: i64,
    /// How many were past `notAfter` when gomon looked.
    pub expired: u32,
    /// How many there are; 0 if unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u32,
    /// When gomon looked, seconds since the Unix epoch.
    pub looked_s: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a bundle file or directory offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustState {
    Absent,
    /// There and readable, without a byte but white space.
    Empty,
    /// There and readable, with this many certificates that parse; 0: it is corrupt, or of another kind.
    Certificates(u32),
    /// The container's user may not read it.
    Unreadable(String),
    /// Could not be established, and why.
    Unknown(String),
}

impl TrustState {
    /// Why a directory in a file's place is unreadable.
    pub const DIRECTORY: &'static str = "it is a directory";
}

/// /etc/passwd as far as it concerns the container's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passwd {
    pub file_present: bool,
    pub uid: u32,
    /// The name of the entry with that UID.
    pub name: Option<String>,
    pub entries: u32,
}

/// What a runtime remembers of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeState {
    /// `created`, `running`, `restarting`, `exited`, …
    pub status: String,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    /// The runtime's own error message, empty where there is none.
    pub error: String,
    pub restart_count: u64,
}

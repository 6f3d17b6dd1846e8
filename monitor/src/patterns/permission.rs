//! Which rule forbids a container's user to execute a file, from its mode, mount and capabilities, and from the
//! container's seccomp profile.

use super::denials::Rule;
use crate::{
    case::Case,
    model::{
        access::{EXECUTE, User},
        errno::Errno,
        fact::{File, FileKind},
        text::inert,
    },
};

/// The rule that forbids it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Capabilities of the file that the bounding set lacks, as a bit mask.
    FileCapabilities(u64),
    /// It is a directory; the host's side of the mount that put it there.
    Directory(Option<String>),
    Mode,
    DirectoryMode(String, u32),
    NoexecMount(String),
    TextBusy,
    /// The container's seccomp profile answers this call with this errno.
    Seccomp(&'static str, Errno),
    /// Nothing in the files forbids it.
    Denied(Suspects),
}

/// What may have refused where the files do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspects {
    /// The process may not be the container's configured user any more.
    other_user: bool,
    /// What the seccomp profile says of execve is not known.
    seccomp: bool,
    /// The profile of the security module that is in force.
    label: Option<String>,
}

impl Suspects {
    pub(super) fn of(case: &Case, errno: Errno, other_user: bool) -> Self {
        let label = case.config.get().and_then(|config| config.security_label.as_deref());
        Self {
            other_user,
            seccomp: Rule::of(case, "execve", errno) == Rule::Unknown,
            label: label.map(|label| inert(label).into_owned()),
        }
    }

    fn fact(&self) -> String {
        let module = match (&self.label, self.seccomp) {
            (Some(label), _) => format!("a security module (profile {label} is in force)"),
            (None, true) => "a security module".to_owned(),
            (None, false) => "a security module or another guard of the host".to_owned(),
        };
        let allowed = if self.seccomp { "" } else { ", and seccomp allows execve" };
        let seccomp = if self.seccomp { "seccomp or " } else { "" };
        if self.other_user {
            format!(
                "is executable by its mode for the container's user{allowed}; the process runs as another user, or \
                 {seccomp}{module} refused"
            )
        } else {
            format!("is executable by its mode{allowed}; {seccomp}{module} refused")
        }
    }

    fn remedy(&self, path: &str) -> String {
        if self.other_user {
            return "# see which user it runs as, then give that user the x bit\n\
                docker exec CONTAINER sh -c 'id; ls -l PROGRAM'"
                .replace("PROGRAM", path);
        }
        let seccomp = if self.seccomp { " --security-opt seccomp=unconfined" } else { "" };
        format!(
            "# compare with a run without the profile, on a test machine\n\
             docker run{seccomp} --security-opt apparmor=unconfined …"
        )
    }
}

impl Refusal {
    /// The reason's name in the diagnosis.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::FileCapabilities(_) => "file-capabilities",
            Self::Directory(_) | Self::Mode => "mode",
            Self::DirectoryMode(..) => "directory-mode",
            Self::NoexecMount(_) => "noexec-mount",
            Self::TextBusy => "text-busy",
            Self::Seccomp(..) => "seccomp",
            Self::Denied(_) => "denied",
        }
    }

    /// execve(2) answers EPERM, not EACCES.
    pub(super) fn is_eperm(&self) -> bool {
        matches!(self, Self::FileCapabilities(_))
    }

    /// What is said of the file.
    pub(super) fn fact(&self, file: Option<&File>) -> String {
        match self {
            Self::FileCapabilities(missing) => {
                format!(
                    "has file capabilities that the container may not have: {}",
                    capability_names(*missing)
                )
            }
            Self::Directory(None) => "is a directory".to_owned(),
            Self::Directory(Some(source)) => {
                format!("is a directory: {} of the host is mounted there", inert(source))
            }
            Self::Mode => {
                let mode =
                    |file: &File| format!("has mode {:04o}, owner {}:{}", file.mode, file.uid, file.gid);
                let mode = file.map_or_else(|| "has a mode".to_owned(), mode);
                format!("{mode}: no execute permission for the container's user")
            }
            Self::DirectoryMode(directory, mode) => {
                format!(
                    "lies below {} (mode {mode:04o}), which the container's user may not search",
                    inert(directory)
                )
            }
            Self::NoexecMount(mount) => format!("lies on {}, which is mounted noexec", inert(mount)),
            Self::TextBusy => "is open for writing in another process".to_owned(),
            Self::Seccomp(call, errno) => {
                format!("is refused by the container's seccomp profile, which answers {call} with {errno}")
            }
            Self::Denied(suspects) => suspects.fact(),
        }
    }

    /// A change that can be pasted.
    pub(super) fn remedy(&self, path: &str) -> String {
        match self {
            Self::FileCapabilities(missing) => format!(
                "RUN setcap -r {path}\n# or grant what the file asks for\ndocker run --cap-add {} …",
                capability_names(*missing).replace("CAP_", "").replace(", ", " --cap-add ")
            ),
            Self::Directory(Some(source)) => format!(
                "# mount the program itself; Docker makes a directory of a source that does not exist\n\
                 docker run -v {}/server:{path} …",
                inert(source)
            ),
            Self::Directory(None) => {
                "# name the program inside the directory\nENTRYPOINT [\"/app/server\"]".to_owned()
            }
            Self::Mode => format!("COPY --chmod=0755 --from=build /out/app {path}"),
            Self::DirectoryMode(directory, _) => format!("RUN chmod a+x {}", inert(directory)),
            Self::NoexecMount(mount) => format!(
                "# start the program from a path outside {mount}; or mount a volume without noexec, a tmpfs with exec\n\
                 docker run --tmpfs {mount}:exec …",
                mount = inert(mount)
            ),
            Self::TextBusy => {
                "# finish writing before starting: write to a temporary name, close it, then rename it"
                    .to_owned()
            }
            Self::Seccomp(call, _) => format!(
                "# in the profile: without {call} the runtime itself cannot start the program\n\
                 {{\"names\": [\"{call}\"], \"action\": \"SCMP_ACT_ALLOW\"}}\n\
                 docker run --security-opt seccomp=profile.json …"
            ),
            Self::Denied(suspects) => suspects.remedy(path),
        }
    }
}

/// The container's profile refuses every exec with this errno.
pub(super) fn by_seccomp(case: &Case, errno: Errno) -> Option<Refusal> {
    let refuses = |call: &&'static str| Rule::of(case, call, errno) == Rule::Profile;
    ["execve", "execveat"].into_iter().find(refuses).map(|call| Refusal::Seccomp(call, errno))
}

/// The first rule that forbids the container's user to execute the file.
pub(super) fn refusal(case: &Case, file: &File) -> Option<Refusal> {
    let config = case.config.get()?;
    if let Some((directory, mode)) = &file.closed_directory {
        return Some(Refusal::DirectoryMode(directory.clone(), *mode));
    }
    match file.kind {
        FileKind::Directory => {
            let mount = config.mounts.iter().rfind(|mount| mount.destination == file.path);
            return Some(Refusal::Directory(mount.map(|mount| mount.source.clone())));
        }
        FileKind::Other => return Some(Refusal::Mode),
        FileKind::Regular => {}
    }
    if let Some(mount) = &file.noexec_mount {
        return Some(Refusal::NoexecMount(mount.clone()));
    }
    if !User::of(config).may_access(file, EXECUTE) {
        return Some(Refusal::Mode);
    }
    let wanted = file.capabilities.filter(|caps| caps.effective)?.permitted;
    // A configuration without a bounding set grants none.
    let missing = wanted & !config.bounding_caps.unwrap_or_default();
    (missing != 0).then_some(Refusal::FileCapabilities(missing))
}

/// The noexec mount of the configuration that a path lies on, where the file itself could not be looked at.
pub(super) fn noexec_mount(case: &Case, path: &str) -> Option<Refusal> {
    let below = |destination: &str| {
        path.strip_prefix(destination.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    let mounts = &case.config.get()?.mounts;
    let mount = mounts
        .iter()
        .filter(|mount| below(&mount.destination))
        .max_by_key(|mount| mount.destination.len())?;
    let is_noexec = mount.options.iter().any(|option| option == "noexec");
    is_noexec.then(|| Refusal::NoexecMount(mount.destination.clone()))
}

/// Names of capabilities(7) in the order of their numbers.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The names of a capability mask, joined with commas.
pub(super) fn capability_names(mask: u64) -> String {
    let names =
        CAPABILITIES.iter().enumerate().filter(|(number, _)| mask >> number & 1 == 1).map(|(_, name)| *name);
    names.collect::<Vec<_>>().join(", ")
}

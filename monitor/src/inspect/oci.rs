//! Reads a bundle's `config.json` into the parts that patterns rest on. Secrets are dropped before anything else sees them.
//!
//! Only the needed members are typed: a seccomp action or a capability that is newer than gomon must not cost the rest.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::host::{Host, HostError};
use crate::model::fact::{Config, Mount};

/// A configuration with seccomp rules for every system call has 100 KiB.
const LIMIT_BYTES: u64 = 4 << 20;

/// What a bundle says about its container.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundle {
    pub(super) config: Config,
    /// `root.path` as seen from the host.
    pub(super) root: PathBuf,
    pub(super) annotations: HashMap<String, String>,
    pub(super) ids: IdMaps,
    /// `linux.cgroupsPath`; empty where the runtime chooses.
    pub(super) cgroups_path: String,
}

/// A configuration that could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum OciError {
    #[error(transparent)]
    Read(#[from] HostError),
    #[error("{} is not a container configuration", path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} has no process", path.display())]
    NoProcess { path: PathBuf },
}

/// `linux.uidMappings` and `linux.gidMappings`: how ids on disk read inside the container.
#[derive(Debug, Clone, Default)]
pub(super) struct IdMaps {
    uids: Vec<IdMapping>,
    gids: Vec<IdMapping>,
}

/// What stat(2) reports in a user namespace for an id without a mapping, `/proc/sys/kernel/overflowuid`.
const OVERFLOW_ID: u32 = 65534;

impl IdMaps {
    /// The owner of a file as the container sees it.
    pub(super) fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        (map(&self.uids, uid), map(&self.gids, gid))
    }
}

fn map(mappings: &[IdMapping], id: u32) -> u32 {
    if mappings.is_empty() {
        return id;
    }
    mappings
        .iter()
        .find_map(|m| {
            let offset = id.checked_sub(m.host).filter(|&offset| offset < m.size)?;
            m.container.checked_add(offset)
        })
        .unwrap_or(OVERFLOW_ID)
}

/// Reads `config.json` of the bundle in `directory`.
pub(super) fn read(host: &Host, directory: &Path) -> Result<Bundle, OciError> {
    let path = directory.join("config.json");
    parse(&host.read(&path, LIMIT_BYTES)?, directory, path)
}

fn parse(bytes: &[u8], directory: &Path, path: PathBuf) -> Result<Bundle, OciError> {
    let spec: Spec = match serde_json::from_slice(bytes) {
        Ok(spec) => spec,
        Err(source) => return Err(OciError::Parse { path, source }),
    };
    let Some(process) = spec.process else { return Err(OciError::NoProcess { path }) };
    let linux = spec.linux.unwrap_or_default();
    // A set that the file leaves out is empty; only without any sets nothing is said.
    let mask = |names: Option<&Vec<String>>| capability_mask(names.map(Vec::as_slice).unwrap_or_default());
    let capabilities = process.capabilities.as_ref();
    let root = spec.root.unwrap_or_default();
    let uids = linux.uid_mappings.unwrap_or_default();
    let config = Config {
        args: process.args.unwrap_or_default(),
        env: environment(process.env.unwrap_or_default()),
        cwd: if process.cwd.is_empty() { "/".to_owned() } else { process.cwd },
        uid: process.user.uid,
        gid: process.user.gid,
        additional_gids: process.user.additional_gids.unwrap_or_default(),
        bounding_caps: capabilities.map(|sets| mask(sets.bounding.as_ref())),
        effective_caps: capabilities.map(|sets| mask(sets.effective.as_ref())),
        no_new_privileges: process.no_new_privileges,
        seccomp: linux.seccomp.is_some(),
        terminal: process.terminal,
        readonly_root: root.readonly,
        mounts: spec.mounts.unwrap_or_default().into_iter().map(Mount::from).collect(),
        memory_limit_bytes: linux
            .resources
            .and_then(|resources| resources.memory?.limit)
            .and_then(|limit| u64::try_from(limit).ok())
            .filter(|&limit| limit > 0),
        user_namespace: !uids.is_empty(),
        own_pid_namespace: linux
            .namespaces
            .unwrap_or_default()
            .iter()
            .any(|namespace| namespace.kind == "pid" && namespace.path.is_empty()),
    };
    Ok(Bundle {
        config,
        root: directory.join(root.path),
        annotations: spec.annotations.unwrap_or_default(),
        ids: IdMaps { uids, gids: linux.gid_mappings.unwrap_or_default() },
        cgroups_path: linux.cgroups_path,
    })
}

/// Splits `NAME=value`; as in execve(2) environments that programs read with getenv(3), the first of a name counts.
pub(super) fn environment(entries: Vec<String>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for entry in entries {
        let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
        let value = if is_secret(name, value) { "***" } else { value };
        env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    env
}

/// A name that says so, or a URL with a password in it.
fn is_secret(name: &str, value: &str) -> bool {
    const WORDS: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"];
    let name = name.to_ascii_uppercase();
    let password_in_url = || {
        let (_, rest) = value.split_once("://")?;
        let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
        Some(user.contains(':'))
    };
    WORDS.iter().any(|word| name.contains(word)) || password_in_url() == Some(true)
}

/// Capability numbers of include/uapi/linux/capability.h are the places in this list.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The bit mask of named capabilities, with or without `CAP_`; unknown names and `ALL` as Docker reads them.
pub(super) fn capability_mask(names: &[String]) -> u64 {
    names.iter().fold(0, |mask, name| {
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        if name == "ALL" {
            return (1 << CAPABILITIES.len()) - 1;
        }
        CAPABILITIES.iter().position(|known| *known == name).map_or(mask, |number| mask | 1 << number)
    })
}

#[derive(Deserialize)]
struct Spec {
    root: Option<Root>,
    process: Option<Process>,
    mounts: Option<Vec<MountSpec>>,
    annotations: Option<HashMap<String, String>>,
    linux: Option<Linux>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Root {
    path: PathBuf,
    readonly: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: User,
    args: Option<Vec<String>>,
    env: Option<Vec<String>>,
    cwd: String,
    capabilities: Option<Capabilities>,
    no_new_privileges: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct User {
    uid: u32,
    gid: u32,
    additional_gids: Option<Vec<u32>>,
}

#[derive(Deserialize, Default)]
struct Capabilities {
    bounding: Option<Vec<String>>,
    effective: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MountSpec {
    destination: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    source: Option<String>,
    options: Option<Vec<String>>,
}

impl From<MountSpec> for Mount {
    fn from(spec: MountSpec) -> Self {
        let options = spec.options.unwrap_or_default();
        let bind = options.iter().any(|option| option == "bind" || option == "rbind");
        Self {
            destination: spec.destination,
            kind: if bind { "bind".to_owned() } else { spec.kind.unwrap_or_default() },
            source: spec.source.unwrap_or_default(),
            options,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(default)]
    cgroups_path: String,
    uid_mappings: Option<Vec<IdMapping>>,
    gid_mappings: Option<Vec<IdMapping>>,
    namespaces: Option<Vec<Namespace>>,
    resources: Option<Resources>,
    seccomp: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct IdMapping {
    #[serde(rename = "containerID")]
    container: u32,
    #[serde(rename = "hostID")]
    host: u32,
    size: u32,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
struct Resources {
    memory: Option<Memory>,
}

#[derive(Deserialize)]
struct Memory {
    limit: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<Bundle, OciError> {
        parse(json.as_bytes(), Path::new("/bundle"), PathBuf::from("/bundle/config.json"))
    }

    #[test]
    fn a_docker_configuration_becomes_plain_values() {
        let bundle = parsed(
            r#"{"ociVersion":"1.0.2","process":{"terminal":true,"user":{"uid":1000,"gid":0,"additionalGids":[7]},
            "args":["/app/x","-v"],"env":["PATH=/bin","HOME=/","PATH=/other","API_KEY=abc","DB=postgres://u:p@h/x"],
            "cwd":"/srv","capabilities":{"bounding":["CAP_CHOWN","CAP_NET_RAW","CAP_FROM_THE_FUTURE"]},
            "noNewPrivileges":true},"root":{"path":"rootfs","readonly":true},
            "mounts":[{"destination":"/data","type":"none","source":"/srv/data","options":["rbind","ro"]},
            {"destination":"/proc","type":"proc","source":"proc"}],
            "linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/proc/1/ns/net"}],
            "resources":{"memory":{"limit":67108864}},"seccomp":{"defaultAction":"SCMP_ACT_OF_TOMORROW"}}}"#,
        )
        .unwrap();
        let config = bundle.config;
        assert_eq!(bundle.root, Path::new("/bundle/rootfs"));
        assert_eq!((config.uid, config.gid, config.additional_gids), (1000, 0, vec![7]));
        assert_eq!((config.bounding_caps, config.effective_caps), (Some(1 | 1 << 13), Some(0)));
        assert_eq!(config.env["PATH"], "/bin");
        assert_eq!((config.env["API_KEY"].as_str(), config.env["DB"].as_str()), ("***", "***"));
        assert_eq!((config.mounts[0].kind.as_str(), config.mounts[1].kind.as_str()), ("bind", "proc"));
        assert_eq!(config.memory_limit_bytes, Some(64 << 20));
        assert!(config.own_pid_namespace && config.seccomp && config.terminal && config.readonly_root);
        assert!(config.no_new_privileges && !config.user_namespace);
    }

    #[test]
    fn a_container_without_any_capability_is_told_from_one_that_nothing_is_said_of() {
        let bounding = |json| parsed(json).unwrap().config.bounding_caps;
        assert_eq!(bounding(r#"{"process":{"cwd":"/","capabilities":{}}}"#), Some(0));
        assert_eq!(bounding(r#"{"process":{"cwd":"/"}}"#), None);
    }

    #[test]
    fn a_host_pid_namespace_is_not_the_containers_own() {
        let json =
            r#"{"process":{"cwd":"/"},"linux":{"namespaces":[{"type":"pid","path":"/proc/7/ns/pid"}]}}"#;
        assert!(!parsed(json).unwrap().config.own_pid_namespace);
    }

    #[test]
    fn a_broken_file_says_where_and_why() {
        let text = |json| parsed(json).unwrap_err().to_string();
        assert_eq!(text("{"), "/bundle/config.json is not a container configuration");
        assert_eq!(text("{}"), "/bundle/config.json has no process");
    }

    #[test]
    fn ids_read_as_the_container_sees_them() {
        let map = IdMapping { container: 0, host: 100_000, size: 65536 };
        let maps = IdMaps { uids: vec![map], gids: vec![map] };
        assert_eq!(maps.inside(100_000, 101_000), (0, 1000));
        assert_eq!(maps.inside(0, 200_000), (OVERFLOW_ID, OVERFLOW_ID));
        assert_eq!(IdMaps::default().inside(5, 6), (5, 6));
    }
}

//! Reads a bundle's `config.json` into the parts that patterns rest on. Secrets are dropped before anything else sees them.
//!
//! Only the needed members are typed: a seccomp action or a capability that is newer than gomon must not cost the rest.

mod seccomp;
mod spec;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use self::spec::{Cpu, IdMapping, Seccomp, Spec};
use super::{
    environment::environment,
    host::{Host, HostError},
};
use crate::model::{
    fact::{Config, CpuQuota, Mount},
    seccomp::SeccompDenials,
};

/// A configuration with seccomp rules for every system call has 100 KiB.
const LIMIT_BYTES: u64 = 4 << 20;

/// `cpu.cfs_period_us` where nobody sets it.
pub(super) const DEFAULT_PERIOD_US: u64 = 100_000;

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

/// The annotations alone, of a bundle that is not a container's own.
pub(super) fn annotations(host: &Host, directory: &Path) -> Option<HashMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Annotated {
        annotations: HashMap<String, String>,
    }
    let bytes = host.read(&directory.join("config.json"), LIMIT_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok().map(|Annotated { annotations }| annotations)
}

pub(super) fn parse(bytes: &[u8], directory: &Path, path: PathBuf) -> Result<Bundle, OciError> {
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
    let resources = linux.resources.unwrap_or_default();
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
        seccomp_denials: denials(linux.seccomp.as_ref()),
        terminal: process.terminal,
        readonly_root: root.readonly,
        mounts: spec.mounts.unwrap_or_default().into_iter().map(Mount::from).collect(),
        memory_limit_bytes: resources.memory.and_then(|memory| memory.limit).and_then(positive),
        cpu_quota: resources.cpu.as_ref().and_then(cpu_quota),
        masked_paths: linux.masked_paths.unwrap_or_default(),
        security_label: security_label(process.apparmor_profile, process.selinux_label),
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

/// Without a profile nothing is refused by one; of a profile that cannot be read nobody knows.
fn denials(seccomp: Option<&Seccomp>) -> Option<SeccompDenials> {
    match seccomp {
        None => Some(SeccompDenials::new()),
        Some(Seccomp::Profile(profile)) => Some(profile.denials()),
        Some(Seccomp::Odd(_)) => None,
    }
}

/// Limits that are zero or negative are none.
pub(super) fn positive(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|&limit| limit > 0)
}

fn cpu_quota(cpu: &Cpu) -> Option<CpuQuota> {
    let period_us = cpu.period.filter(|&period| period > 0).unwrap_or(DEFAULT_PERIOD_US);
    Some(CpuQuota { quota_us: positive(cpu.quota?)?, period_us })
}

/// What a security module confines the container by.
pub(super) fn security_label(apparmor: String, selinux: String) -> Option<String> {
    // AppArmor's word for no profile at all.
    [apparmor, selinux].into_iter().find(|label| !label.is_empty() && label != "unconfined")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::seccomp::SeccompAction;

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
        assert_eq!(config.seccomp_denials.unwrap()["mount"], SeccompAction::Depends);
    }

    /// As dockerd 20.10 writes it for `--cpus 0.5`, without what is told elsewhere.
    #[test]
    fn dockers_own_profile_refuses_what_it_is_known_to_refuse() {
        let config = parsed(include_str!("testdata/docker-config.json")).unwrap().config;
        assert_eq!(config.cpu_quota, Some(CpuQuota { quota_us: 50_000, period_us: 100_000 }));
        assert_eq!((config.masked_paths.len(), config.masked_paths[2].as_str()), (10, "/proc/kcore"));
        assert_eq!(config.security_label, None);
        let denials = config.seccomp_denials.unwrap();
        for call in ["mount", "unshare", "setns", "bpf", "keyctl", "reboot", "syslog", "init_module"] {
            assert_eq!(denials.get(call), Some(&SeccompAction::Errno(1)), "{call}");
        }
        assert_eq!(denials["clone3"], SeccompAction::Errno(38), "programs fall back to clone");
        assert_eq!(denials["personality"], SeccompAction::Depends);
        for call in ["execve", "execveat", "bind", "socket", "ptrace", "chroot", "fchmodat", "mkdir"] {
            assert_eq!(denials.get(call), None, "{call}");
        }
    }

    #[test]
    fn a_profile_that_nobody_understands_is_not_one_that_refuses_nothing() {
        let denials = |linux: &str| {
            let config = parsed(&format!(r#"{{"process":{{"cwd":"/"}},"linux":{linux}}}"#)).unwrap().config;
            (config.seccomp, config.seccomp_denials)
        };
        assert_eq!(denials("{}"), (false, Some(SeccompDenials::new())));
        assert_eq!(denials(r#"{"seccomp":null}"#), (false, Some(SeccompDenials::new())));
        assert_eq!(denials(r#"{"seccomp":{"defaultAction":7}}"#), (true, None));
    }

    #[test]
    fn a_quota_has_a_period_and_no_quota_is_none() {
        let quota = |cpu: &str| {
            let json = format!(r#"{{"process":{{"cwd":"/"}},"linux":{{"resources":{{"cpu":{cpu}}}}}}}"#);
            parsed(&json).unwrap().config.cpu_quota.map(|quota| (quota.quota_us, quota.period_us))
        };
        assert_eq!(quota(r#"{"quota":20000,"period":50000}"#), Some((20_000, 50_000)));
        assert_eq!(quota(r#"{"quota":20000}"#), Some((20_000, 100_000)));
        assert_eq!(quota(r#"{"quota":-1,"period":100000}"#), None);
        assert_eq!(quota(r#"{"shares":2}"#), None);
    }

    #[test]
    fn a_security_module_is_named_by_its_label() {
        let label =
            |process: &str| parsed(&format!(r#"{{"process":{process}}}"#)).unwrap().config.security_label;
        assert_eq!(label(r#"{"apparmorProfile":"docker-default"}"#).as_deref(), Some("docker-default"));
        assert_eq!(label(r#"{"selinuxLabel":"system_u:system_r:container_t:s0"}"#).unwrap().len(), 32);
        assert_eq!(label(r#"{"apparmorProfile":"unconfined"}"#), None);
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

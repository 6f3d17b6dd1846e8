//! Rebuilds the configuration of a dead Docker container, whose bundle is gone, from the files that dockerd keeps.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    deadline::Deadline,
    docker::{self, Container, DockerError},
    environment::environment,
    error_text,
    host::Host,
    oci::{Bundle, DEFAULT_PERIOD_US, capability_mask, positive, security_label},
    passwd,
    root::ContainerRoot,
    source,
};
use crate::model::{
    access::{DOCKER_CAPS, User},
    container::ContainerId,
    fact::{Config, CpuQuota, Mount},
    seccomp::SeccompDenials,
};

/// `hostconfig.json` beside `config.v2.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    cap_add: Option<Vec<String>>,
    cap_drop: Option<Vec<String>>,
    privileged: bool,
    readonly_rootfs: bool,
    security_opt: Option<Vec<String>>,
    memory: i64,
    /// Billionths of a CPU.
    nano_cpus: i64,
    /// Microseconds.
    cpu_quota: i64,
    cpu_period: i64,
    masked_paths: Option<Vec<String>>,
    pid_mode: String,
    tmpfs: Option<BTreeMap<String, String>>,
}

/// A dead container: its configuration as a bundle would have had it, and its files.
pub(super) struct Dead<'h> {
    pub(super) config: Result<Config, String>,
    pub(super) root: Result<ContainerRoot<'h>, String>,
}

/// Brings back what is left of a container.
pub(super) fn revive<'h>(
    host: &'h Host,
    id: &ContainerId,
    container: &Container,
    deadline: Deadline,
) -> Result<Dead<'h>, DockerError> {
    let path = docker::directory(&container.data_root, id).join("hostconfig.json");
    let host_config: HostConfig = docker::parse(host, path)?;
    let mut config = configuration(container, &host_config);
    let layers = docker::layers(host, id, &container.data_root)?;
    let bundle = Bundle { config: config.clone(), ..Bundle::default() };
    let root = source::of_layers(host, &bundle, &layers, deadline).map_err(|error| error_text(&error));
    let user = match &root {
        Ok(root) => passwd::resolve(root, &container.config.user),
        Err(reason) => Err(reason.clone()),
    };
    let (uid, gid) = match user {
        Ok(ids) => ids,
        Err(reason) => return Ok(Dead { config: Err(reason), root }),
    };
    (config.uid, config.gid) = (uid, gid);
    // Docker leaves other users than root without effective capabilities.
    config.effective_caps = config.bounding_caps.map(|caps| if uid == 0 { caps } else { 0 });
    let root = root.map(|mut root| {
        root.user = User::of(&config);
        root
    });
    Ok(Dead { config: Ok(config), root })
}

fn configuration(container: &Container, host: &HostConfig) -> Config {
    let options = host.security_opt.as_deref().unwrap_or_default();
    let unconfined =
        options.iter().any(|option| option == "seccomp=unconfined" || option == "seccomp:unconfined");
    let mut args = vec![container.path.clone()];
    args.extend(container.args.clone().unwrap_or_default());
    let cwd = container.config.working_dir.as_str();
    Config {
        args,
        env: environment(container.config.env.clone().unwrap_or_default()),
        cwd: if cwd.is_empty() { "/" } else { cwd }.to_owned(),
        bounding_caps: Some(capabilities(host)),
        no_new_privileges: container.no_new_privileges,
        seccomp: !host.privileged && !unconfined,
        // What a profile refuses depends on the daemon, which wrote it into the bundle alone.
        seccomp_denials: (host.privileged || unconfined).then(SeccompDenials::new),
        security_label: security_label(container.app_armor_profile.clone(), container.process_label.clone()),
        masked_paths: host.masked_paths.clone().unwrap_or_default(),
        terminal: container.config.tty,
        readonly_root: host.readonly_rootfs,
        mounts: mounts(container, host),
        memory_limit_bytes: positive(host.memory),
        cpu_quota: cpu_quota(host),
        own_pid_namespace: host.pid_mode.is_empty() || host.pid_mode == "private",
        ..Config::default()
    }
}

/// `--cpus`, or `--cpu-quota` and `--cpu-period`.
fn cpu_quota(host: &HostConfig) -> Option<CpuQuota> {
    const BILLION: u64 = 1_000_000_000;
    let of_cpus = |cpus: u64| CpuQuota {
        quota_us: cpus.saturating_mul(DEFAULT_PERIOD_US) / BILLION,
        period_us: DEFAULT_PERIOD_US,
    };
    let of_quota =
        |quota_us| CpuQuota { quota_us, period_us: positive(host.cpu_period).unwrap_or(DEFAULT_PERIOD_US) };
    positive(host.nano_cpus).map(of_cpus).or_else(|| positive(host.cpu_quota).map(of_quota))
}

fn capabilities(host: &HostConfig) -> u64 {
    let mask = |names: &Option<Vec<String>>| capability_mask(names.as_deref().unwrap_or_default());
    let all = capability_mask(&["ALL".to_owned()]);
    if host.privileged {
        return all;
    }
    let dropped = mask(&host.cap_drop);
    let kept = DOCKER_CAPS & !dropped;
    // With `--cap-add ALL` what is dropped stays dropped; a single added one wins over `--cap-drop ALL`.
    match mask(&host.cap_add) {
        added if added == all => all & !dropped,
        added => kept | added,
    }
}

/// What Docker mounts into every container, then the container's own volumes.
fn mounts(container: &Container, host: &HostConfig) -> Vec<Mount> {
    let plain = |destination: &str, kind: &str| Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        ..Mount::default()
    };
    let bound = |source: &str, destination: &str, options: &[&str]| Mount {
        source: source.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        ..plain(destination, "bind")
    };
    let mut mounts = vec![plain("/proc", "proc"), plain("/dev", "tmpfs"), plain("/sys", "sysfs")];
    let files = [
        (&container.resolv_conf_path, "/etc/resolv.conf"),
        (&container.hostname_path, "/etc/hostname"),
        (&container.hosts_path, "/etc/hosts"),
    ];
    let present = files.into_iter().filter(|(source, _)| !source.is_empty());
    mounts.extend(present.map(|(source, destination)| bound(source, destination, &["rbind"])));
    mounts.extend(container.mount_points.iter().flat_map(BTreeMap::values).map(|point| {
        let options: &[&str] = if point.writable { &["rbind"] } else { &["rbind", "ro"] };
        match point.kind.as_str() {
            "tmpfs" => plain(&point.destination, "tmpfs"),
            _ => bound(&point.source, &point.destination, options),
        }
    }));
    mounts.extend(host.tmpfs.iter().flat_map(BTreeMap::keys).map(|destination| plain(destination, "tmpfs")));
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(json: &str) -> u64 {
        capabilities(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn capabilities_add_and_drop_as_docker_does_it() {
        assert_eq!(caps("{}"), DOCKER_CAPS);
        assert_eq!(caps(r#"{"CapDrop":["ALL"],"CapAdd":["NET_ADMIN"]}"#), 1 << 12);
        assert_eq!(caps(r#"{"CapDrop":["CAP_CHOWN"],"CapAdd":null}"#), DOCKER_CAPS & !1);
        assert_eq!(caps(r#"{"Privileged":true}"#), (1 << 41) - 1);
        assert_eq!(caps(r#"{"CapAdd":["ALL"],"CapDrop":["CHOWN"]}"#), (1 << 41) - 2);
    }

    #[test]
    fn what_hostconfig_says_of_limits_and_confinement_is_kept_and_the_rest_is_unknown() {
        let config = |host: &str, container: &str| {
            let host: HostConfig = serde_json::from_str(host).unwrap();
            configuration(&serde_json::from_str(container).unwrap(), &host)
        };
        let plain = config(r#"{"NanoCpus":500000000,"MaskedPaths":["/proc/kcore"]}"#, "{}");
        assert_eq!(plain.cpu_quota, Some(CpuQuota { quota_us: 50_000, period_us: 100_000 }));
        assert_eq!((plain.masked_paths.len(), plain.seccomp, plain.seccomp_denials), (1, true, None));
        let quota = config(r#"{"CpuQuota":20000,"CpuPeriod":50000}"#, "{}").cpu_quota;
        assert_eq!(quota, Some(CpuQuota { quota_us: 20_000, period_us: 50_000 }));
        let open = config(r#"{"Privileged":true}"#, r#"{"AppArmorProfile":"unconfined"}"#);
        assert_eq!((open.cpu_quota, open.security_label), (None, None));
        assert_eq!(open.seccomp_denials, Some(SeccompDenials::new()));
        let confined = config("{}", r#"{"AppArmorProfile":"docker-default"}"#);
        assert_eq!(confined.security_label.as_deref(), Some("docker-default"));
    }

    #[test]
    fn a_volume_keeps_its_source_and_a_tmpfs_has_none() {
        let container: Container = serde_json::from_str(
            r#"{"Path":"/app","Args":["-v"],"HostsPath":"/c/hosts","MountPoints":{"/data":{"Source":"/srv","Destination":"/data","Type":"bind","RW":false}}}"#,
        )
        .unwrap();
        let host: HostConfig = serde_json::from_str(r#"{"Tmpfs":{"/run":""},"Memory":1048576}"#).unwrap();
        let config = configuration(&container, &host);
        let kinds: Vec<_> = config.mounts.iter().map(|m| (m.destination.as_str(), m.kind.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("/proc", "proc"),
                ("/dev", "tmpfs"),
                ("/sys", "sysfs"),
                ("/etc/hosts", "bind"),
                ("/data", "bind"),
                ("/run", "tmpfs")
            ]
        );
        assert_eq!(
            (config.args.len(), config.cwd.as_str(), config.memory_limit_bytes),
            (2, "/", Some(1 << 20))
        );
    }
}

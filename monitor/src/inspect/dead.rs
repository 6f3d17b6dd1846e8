//! Rebuilds the configuration of a dead Docker container, whose bundle is gone, from the files that dockerd keeps.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    deadline::Deadline,
    docker::{self, Container, DockerError},
    error_text,
    host::Host,
    oci::{Bundle, capability_mask, environment},
    passwd,
    root::ContainerRoot,
    source,
};
use crate::model::{
    access::User,
    container::ContainerId,
    fact::{Config, Mount},
};

/// Docker's default capabilities (`oci/caps/defaults.go` of moby).
const DEFAULT_CAPABILITIES: u64 = 0xa804_25fb;

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
        terminal: container.config.tty,
        readonly_root: host.readonly_rootfs,
        mounts: mounts(container, host),
        memory_limit_bytes: u64::try_from(host.memory).ok().filter(|&limit| limit > 0),
        own_pid_namespace: host.pid_mode.is_empty() || host.pid_mode == "private",
        ..Config::default()
    }
}

fn capabilities(host: &HostConfig) -> u64 {
    let mask = |names: &Option<Vec<String>>| capability_mask(names.as_deref().unwrap_or_default());
    let all = capability_mask(&["ALL".to_owned()]);
    if host.privileged {
        return all;
    }
    let dropped = mask(&host.cap_drop);
    let kept = DEFAULT_CAPABILITIES & !dropped;
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
        assert_eq!(caps("{}"), DEFAULT_CAPABILITIES);
        assert_eq!(caps(r#"{"CapDrop":["ALL"],"CapAdd":["NET_ADMIN"]}"#), 1 << 12);
        assert_eq!(caps(r#"{"CapDrop":["CAP_CHOWN"],"CapAdd":null}"#), DEFAULT_CAPABILITIES & !1);
        assert_eq!(caps(r#"{"Privileged":true}"#), (1 << 41) - 1);
        assert_eq!(caps(r#"{"CapAdd":["ALL"],"CapDrop":["CHOWN"]}"#), (1 << 41) - 2);
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

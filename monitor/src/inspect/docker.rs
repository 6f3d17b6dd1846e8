//! What dockerd itself keeps of a container on disk: names, the last exit, the image layers. Asks no daemon.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    bundle::is_plain,
    host::{Host, HostError},
};
use crate::model::{
    container::{ContainerId, Identity, Runtime},
    fact::{Mount, RuntimeState},
    workload,
};

const CONFIG_LIMIT_BYTES: u64 = 4 << 20;
const LINK_LIMIT_BYTES: u64 = 64 << 10;
/// overlayfs itself allows 500 layers; Docker 128.
const LAYER_LIMIT: usize = 500;
const DEFAULT_DATA_ROOT: &str = "/var/lib/docker";
const DAEMON_CONFIG: &str = "/etc/docker/daemon.json";
/// Containers of one data root that are looked at.
const LIST_LIMIT: usize = 4096;

/// A file of dockerd that could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DockerError {
    #[error(transparent)]
    Read(#[from] HostError),
    #[error("{0} is no id of Docker's")]
    NotDockers(ContainerId),
    #[error("{} is not what dockerd writes", path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// `containers/<id>/config.v2.json` below dockerd's data root.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Container {
    /// With a leading slash.
    name: String,
    pub(super) path: String,
    pub(super) args: Option<Vec<String>>,
    pub(super) config: ContainerConfig,
    state: State,
    restart_count: u64,
    pub(super) mount_points: Option<BTreeMap<String, MountPoint>>,
    pub(super) no_new_privileges: bool,
    pub(super) app_armor_profile: String,
    /// That of `SELinux`.
    pub(super) process_label: String,
    pub(super) hostname_path: String,
    pub(super) hosts_path: String,
    pub(super) resolv_conf_path: String,
    /// The data root that it was found in.
    #[serde(skip)]
    pub(super) data_root: PathBuf,
}

/// The image's configuration with what the container was told otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ContainerConfig {
    pub(super) image: String,
    pub(super) user: String,
    pub(super) tty: bool,
    pub(super) env: Option<Vec<String>>,
    pub(super) working_dir: String,
    pub(super) labels: Option<HashMap<String, String>>,
    pub(super) healthcheck: Option<HealthConfig>,
    /// What `CMD-SHELL` is handed to; without it `/bin/sh -c`.
    pub(super) shell: Option<Vec<String>>,
}

/// `HEALTHCHECK` of a Dockerfile.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HealthConfig {
    /// `NONE`, `CMD` or `CMD-SHELL`, and words.
    pub(super) test: Option<Vec<String>>,
    /// Nanoseconds; 0 for Docker's own.
    pub(super) interval: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct MountPoint {
    pub(super) source: String,
    pub(super) destination: String,
    #[serde(rename = "RW")]
    pub(super) writable: bool,
    #[serde(rename = "Type")]
    pub(super) kind: String,
}

#[expect(clippy::struct_excessive_bools, reason = "the members of dockerd's own file")]
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct State {
    running: bool,
    paused: bool,
    restarting: bool,
    removal_in_progress: bool,
    dead: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    exit_code: i64,
    error: String,
    started_at: String,
    /// 0 where no process runs.
    pid: u32,
}

impl State {
    /// The words of `docker ps --filter status=`.
    fn status(&self) -> &'static str {
        if self.running && self.paused {
            "paused"
        } else if self.running && self.restarting {
            "restarting"
        } else if self.running {
            "running"
        } else if self.removal_in_progress {
            "removing"
        } else if self.dead {
            "dead"
        } else if self.never_started() {
            "created"
        } else {
            "exited"
        }
    }

    fn never_started(&self) -> bool {
        // Go's zero time.
        self.started_at.is_empty() || self.started_at.starts_with("0001-01-01")
    }
}

impl Container {
    pub(super) fn identity(&self) -> Identity {
        identity(&self.name, &self.config.image, self.config.labels.as_ref())
    }

    /// The file that it was read from.
    pub(super) fn name_file(&self, id: &ContainerId) -> PathBuf {
        directory(&self.data_root, id).join("config.v2.json")
    }

    /// The first process, as dockerd last wrote it.
    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.state.pid).filter(|&pid| pid > 0)
    }

    pub(super) fn runtime_state(&self) -> RuntimeState {
        // A container that failed at its creation has an exit code without ever having started.
        let ended = !self.state.running && (!self.state.never_started() || self.state.exit_code != 0);
        RuntimeState {
            status: self.state.status().to_owned(),
            exit_code: ended.then_some(self.state.exit_code),
            oom_killed: self.state.oom_killed,
            error: self.state.error.clone(),
            restart_count: self.restart_count,
        }
    }
}

/// The names of a Docker container: `name` as dockerd has it, and the pod of cri-dockerd's labels.
pub(crate) fn identity(name: &str, image: &str, labels: Option<&HashMap<String, String>>) -> Identity {
    let label = |name: &str| labels.and_then(|labels| labels.get(name)).cloned();
    let pod = label("io.kubernetes.pod.name").unwrap_or_default();
    let workload = workload::of_pod(&pod, |name| labels?.get(name).map(String::as_str));
    Identity {
        name: label("io.kubernetes.container.name")
            .unwrap_or_else(|| name.trim_start_matches('/').to_owned()),
        image: image.to_owned(),
        namespace: label("io.kubernetes.pod.namespace").unwrap_or_default(),
        workload: workload.filter(|_| !pod.is_empty()).map(Box::new),
        pod,
        pod_uid: label("io.kubernetes.pod.uid").unwrap_or_default(),
        runtime: Runtime::Docker,
    }
}

/// Reads what dockerd keeps of a container; `root` and `mounts` of its bundle tell where dockerd's data lie.
pub(super) fn read(
    host: &Host,
    id: &ContainerId,
    bundle: Option<(&Path, &[Mount])>,
) -> Result<Container, DockerError> {
    if let Some(root) = bundle.and_then(|(root, mounts)| data_root(id, root, mounts)) {
        return read_in(host, id, root);
    }
    let others = data_roots(host).into_iter().skip(1);
    let first = read_in(host, id, PathBuf::from(DEFAULT_DATA_ROOT));
    others.fold(first, |found, root| found.or_else(|error| read_in(host, id, root).map_err(|_| error)))
}

fn read_in(host: &Host, id: &ContainerId, data_root: PathBuf) -> Result<Container, DockerError> {
    if !is_plain(&id.0) {
        return Err(DockerError::NotDockers(id.clone()));
    }
    let container: Container = parse(host, directory(&data_root, id).join("config.v2.json"))?;
    Ok(Container { data_root, ..container })
}

/// Every container that dockerd keeps in one data root, alive or dead. Those that cannot be read are left out.
pub(super) fn all<'h>(
    host: &'h Host,
    data_root: &'h Path,
) -> impl Iterator<Item = (ContainerId, Container)> + 'h {
    let ids = host.names(&data_root.join("containers"), LIST_LIMIT).into_iter().filter(|id| is_plain(id));
    ids.map(|id| ContainerId(id.into()))
        .filter_map(|id| Some((id.clone(), read_in(host, &id, data_root.to_owned()).ok()?)))
}

/// Where dockerd may keep its data: the default first, then what its configuration says.
pub(super) fn data_roots(host: &Host) -> Vec<PathBuf> {
    #[derive(Deserialize)]
    struct Daemon {
        #[serde(rename = "data-root")]
        data_root: Option<PathBuf>,
    }
    let mut roots = vec![PathBuf::from(DEFAULT_DATA_ROOT)];
    let daemon: Option<Daemon> = parse(host, PathBuf::from(DAEMON_CONFIG)).ok();
    let configured = daemon.and_then(|daemon| daemon.data_root).filter(|root| root.is_absolute());
    roots.extend(configured.filter(|root| root != Path::new(DEFAULT_DATA_ROOT)));
    roots
}

/// `containers/<id>` below the data root.
pub(super) fn directory(data_root: &Path, id: &ContainerId) -> PathBuf {
    data_root.join("containers").join(&*id.0)
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(host: &Host, path: PathBuf) -> Result<T, DockerError> {
    let bytes = host.read(&path, CONFIG_LIMIT_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|source| DockerError::Parse { path, source })
}

/// From the files that Docker binds into every container, or from the place of the root file system.
fn data_root(id: &ContainerId, root: &Path, mounts: &[Mount]) -> Option<PathBuf> {
    let below = |path: &Path, levels: usize| path.ancestors().nth(levels).map(Path::to_owned);
    let bound = mounts.iter().map(|mount| Path::new(&mount.source)).find(|source| {
        let directory = source.parent();
        directory.is_some_and(|directory| directory.ends_with(Path::new("containers").join(&*id.0)))
    });
    if let Some(source) = bound {
        return below(source, 3);
    }
    root.ends_with("merged").then(|| below(root, 3)).flatten()
}

/// The directories of a container's root file system on overlay2, the uppermost first.
pub(super) fn layers(host: &Host, id: &ContainerId, data_root: &Path) -> Result<Vec<PathBuf>, DockerError> {
    let mounts = data_root.join("image/overlay2/layerdb/mounts").join(&*id.0);
    let mount_id = text(host, &mounts.join("mount-id"))?;
    let overlay = data_root.join("overlay2");
    let own = overlay.join(mount_id.trim());
    let mut layers = vec![own.join("diff")];
    let lower = text(host, &own.join("lower"))?;
    layers.extend(lower.trim().split(':').take(LAYER_LIMIT).map(|link| overlay.join(link)));
    Ok(layers)
}

fn text(host: &Host, path: &Path) -> Result<String, DockerError> {
    Ok(String::from_utf8_lossy(&host.read(path, LINK_LIMIT_BYTES)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(json: &str) -> Container {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_data_root_is_found_from_the_bundle() {
        let id = ContainerId("abc".into());
        let mount = |source: &str| Mount { source: source.into(), ..Mount::default() };
        let hosts = [mount("proc"), mount("/data/docker/containers/abc/hosts")];
        assert_eq!(data_root(&id, Path::new("/x"), &hosts), Some("/data/docker".into()));
        assert_eq!(data_root(&id, Path::new("/d/overlay2/l/merged"), &[]), Some("/d".into()));
        assert_eq!(data_root(&id, Path::new("/x"), &[mount("/data/containers/other/hosts")]), None);
    }

    #[test]
    fn states_read_as_docker_prints_them() {
        let failed = container(
            r#"{"State":{"ExitCode":127,"Error":"no such file","StartedAt":"0001-01-01T00:00:00Z"},"Args":null}"#,
        );
        let state = failed.runtime_state();
        assert_eq!(
            (state.status.as_str(), state.exit_code, state.error.as_str()),
            ("created", Some(127), "no such file")
        );
        let killed = container(
            r#"{"State":{"OOMKilled":true,"ExitCode":137,"StartedAt":"2026-01-01T00:00:00Z"},"RestartCount":3}"#,
        );
        let state = killed.runtime_state();
        assert_eq!((state.status.as_str(), state.exit_code), ("exited", Some(137)));
        assert!(state.oom_killed && state.restart_count == 3);
        let running =
            container(r#"{"State":{"Running":true,"StartedAt":"2026-01-01T00:00:00Z"}}"#).runtime_state();
        assert_eq!((running.status.as_str(), running.exit_code), ("running", None));
    }

    #[test]
    fn labels_of_cri_dockerd_name_the_pod() {
        let identity = container(
            r#"{"Name":"/k8s_x","Config":{"Image":"img:1","Labels":{"io.kubernetes.pod.name":"p","io.kubernetes.container.name":"c"}}}"#,
        )
        .identity();
        assert_eq!(
            (identity.name.as_str(), identity.pod.as_str(), identity.image.as_str()),
            ("c", "p", "img:1")
        );
        assert_eq!(container(r#"{"Name":"/web"}"#).identity().name, "web");
    }
}

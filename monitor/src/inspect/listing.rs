//! Every container that has files on the host, with its names: bundles first, then what dockerd remembers. Asks no daemon.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    bundle::{BundleDirectory, expand},
    docker::{self, Container},
    host::Host,
    identity, oci,
};
use crate::model::{
    container::{ContainerId, Identity, Runtime},
    fact::RuntimeState,
};

/// More containers than this are not listed.
const LIMIT: usize = 4096;
const PID_FILE_LIMIT_BYTES: u64 = 32;
/// Where conmon writes the first process of CRI-O's and podman's containers.
const CONMON_PID_FILES: [&str; 2] = [
    "/run/containers/storage/overlay-containers/{id}/userdata/pidfile",
    "/run/user/*/containers/overlay-containers/{id}/userdata/pidfile",
];

/// A container as its files tell it.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) id: ContainerId,
    pub(crate) identity: Identity,
    pub(crate) state: Option<RuntimeState>,
    /// The first process as its runtime wrote it down: it may be long gone, and its number another's.
    pub(crate) pid: Option<u32>,
}

/// All containers with a bundle, and those that dockerd keeps after their end; each id once.
pub(crate) fn containers(host: &Host) -> Vec<Listing> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let mut roots = docker::data_roots(host);
    for directory in host.bundles.all(host).into_iter().take(LIMIT) {
        let (listing, data_root) = of_bundle(host, &directory);
        known.insert(listing.id.clone());
        found.push(listing);
        roots.extend(data_root.filter(|root| !roots.contains(root)));
    }
    for root in &roots {
        let dead = docker::all(host, root).filter(|(id, _)| known.insert(id.clone()));
        let left = LIMIT.saturating_sub(found.len());
        found.extend(dead.map(|(id, container)| of_docker(id, &container)).take(left));
    }
    found
}

/// And the data root of dockerd, where the container is Docker's.
fn of_bundle(host: &Host, directory: &BundleDirectory) -> (Listing, Option<PathBuf>) {
    let id = directory.id.clone();
    let Ok(bundle) = oci::read(host, &directory.path) else {
        let identity = identity::unnamed(directory.runtime);
        return (Listing { id, identity, state: None, pid: None }, None);
    };
    if directory.runtime == Runtime::Docker
        && let Some(container) = identity::docker_container(host, directory, &bundle)
    {
        return (of_docker(id, &container), Some(container.data_root));
    }
    let pid = recorded_pid(host, directory);
    (Listing { id, identity: identity::identify(host, directory, &bundle), state: None, pid }, None)
}

fn of_docker(id: ContainerId, container: &Container) -> Listing {
    Listing {
        id,
        identity: container.identity(),
        state: Some(container.runtime_state()),
        pid: container.pid(),
    }
}

/// From the file that containerd's shim, or conmon, writes beside the bundle or in its run directory.
fn recorded_pid(host: &Host, directory: &BundleDirectory) -> Option<u32> {
    let beside = ["init.pid", "pidfile"].into_iter().map(|name| directory.path.join(name));
    let elsewhere = CONMON_PID_FILES.into_iter().flat_map(|pattern| {
        expand(host, &pattern.replace("{id}", &directory.id.0)).into_iter().map(PathBuf::from)
    });
    beside.chain(elsewhere).find_map(|path| read_pid(host, &path))
}

fn read_pid(host: &Host, path: &Path) -> Option<u32> {
    let bytes = host.read(path, PID_FILE_LIMIT_BYTES).ok()?;
    String::from_utf8_lossy(&bytes).trim().parse().ok().filter(|&pid| pid > 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::new(dir.path(), Path::new("/proc")).unwrap();
        (dir, host)
    }

    const MOBY: &str = "run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/aa/config.json";
    const K8S: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io/bb";
    const PODMAN: &str = "var/lib/containers/storage/overlay-containers";
    const SPEC: &str = r#"{"process":{"args":["/a"]}}"#;

    #[test]
    fn living_and_dead_docker_containers_are_listed_once_with_their_state() {
        let (_dir, host) = host_with(&[
            (MOBY, SPEC),
            (
                "var/lib/docker/containers/aa/config.v2.json",
                r#"{"Name":"/web","State":{"Running":true,"Pid":42,"StartedAt":"2026-01-01T00:00:00Z"}}"#,
            ),
            ("etc/docker/daemon.json", r#"{"data-root":"/srv/docker"}"#),
            (
                "srv/docker/containers/cc/config.v2.json",
                r#"{"Name":"/job","State":{"ExitCode":3,"StartedAt":"2026-01-01T00:00:00Z"}}"#,
            ),
            ("srv/docker/containers/dd/config.v2.json", "not json"),
        ]);
        let listed: Vec<_> = containers(&host)
            .into_iter()
            .map(|one| (one.id.0, one.identity.name, one.state.unwrap().status, one.pid))
            .collect();
        let of = |id: &str, name: &str, status: &str, pid| (id.into(), name.into(), status.into(), pid);
        assert_eq!(listed, [of("aa", "web", "running", Some(42)), of("cc", "job", "exited", None)]);
        let dead = docker::read(&host, &ContainerId("cc".into()), None);
        assert!(dead.is_ok_and(|container| container.data_root == Path::new("/srv/docker")));
    }

    #[test]
    fn the_first_process_is_where_the_shim_or_conmon_wrote_it() {
        let (_dir, host) = host_with(&[
            (&format!("{K8S}/config.json"), SPEC),
            (&format!("{K8S}/init.pid"), "71"),
            (&format!("{PODMAN}/dd/userdata/config.json"), SPEC),
            ("run/containers/storage/overlay-containers/dd/userdata/pidfile", "72\n"),
            (&format!("{PODMAN}/ee/userdata/config.json"), "broken"),
        ]);
        let mut pids: Vec<_> =
            containers(&host).into_iter().map(|one| (one.id.0, one.identity.runtime, one.pid)).collect();
        pids.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("bb".to_owned(), Runtime::Containerd, Some(71)),
            ("dd".to_owned(), Runtime::Podman, Some(72)),
            ("ee".to_owned(), Runtime::Podman, None),
        ];
        assert_eq!(pids, expected);
    }
}

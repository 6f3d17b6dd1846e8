//! Every container of the host, with its names: bundles first, then what dockerd remembers, then processes. Asks no daemon.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    bundle::{BundleDirectory, expand},
    docker::{self, Container},
    host::Host,
    identity, oci, running, states,
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
    /// The first process that is known of; nothing where none runs.
    pub(crate) pid: Option<u32>,
}

/// All containers that run, that have a bundle, or that dockerd keeps after their end; each id once.
pub(crate) fn containers(host: &Host) -> Vec<Listing> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let mut roots = docker::data_roots(host);
    let running = running::all(host);
    let placed = host.bundles.all(host).into_iter();
    let kept = states::all(host).into_iter().map(|state| state.bundle);
    let elsewhere = running.values().filter_map(|running| {
        let files = running.at.files(host);
        Some((files, running.at.bundle.clone().or_else(|| running.at.bundle(files))?))
    });
    let directories = placed.chain(kept).map(|directory| (host, directory)).chain(elsewhere);
    for (files, directory) in directories.take(LIMIT) {
        if !known.insert(directory.id.clone()) {
            continue;
        }
        let (listing, data_root) = of_bundle(files, &directory);
        found.push(listing);
        roots.extend(data_root.filter(|root| !roots.contains(root)));
    }
    for root in &roots {
        let dead = docker::all(host, root).filter(|(id, _)| known.insert(id.clone()));
        let left = LIMIT.saturating_sub(found.len());
        found.extend(dead.map(|(id, container)| of_docker(id, &container)).take(left));
    }
    // Of these there is nothing but their processes.
    let bare = running.values().filter(|running| known.insert(running.at.id.clone()));
    found.extend(bare.map(|running| Listing {
        id: running.at.id.clone(),
        identity: identity::unnamed(Runtime::Unknown),
        state: None,
        pid: None,
    }));
    for listing in &mut found {
        let pids = running.get(&listing.id).map(|running| running.pids.as_slice()).unwrap_or_default();
        // A recorded process may be long gone, and its number another's.
        listing.pid = listing.pid.filter(|pid| pids.contains(pid)).or(pids.iter().min().copied());
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
    if let Some(container) = identity::docker_container(host, directory, &bundle) {
        return (of_docker(id, &container), Some(container.data_root));
    }
    let pid = recorded_pid(host, directory);
    (Listing { id, identity: identity::identify(host, directory, &bundle, None), state: None, pid }, None)
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
    use super::*;
    use crate::inspect::testing::host_with;

    const AA: &str = "aa00000000000000000000000000000000000000000000000000000000000000";
    const BB: &str = "bb00000000000000000000000000000000000000000000000000000000000000";
    const DD: &str = "dd00000000000000000000000000000000000000000000000000000000000000";
    const TASKS: &str = "run/containerd/io.containerd.runtime.v2.task";
    const PODMAN: &str = "var/lib/containers/storage/overlay-containers";
    const SPEC: &str = r#"{"process":{"args":["/a"]}}"#;

    #[test]
    fn living_and_dead_docker_containers_are_listed_once_with_their_state() {
        let (_dir, host) = host_with(&[
            (&format!("{TASKS}/moby/{AA}/config.json"), SPEC),
            (
                &format!("var/lib/docker/containers/{AA}/config.v2.json"),
                r#"{"Name":"/web","State":{"Running":true,"Pid":42,"StartedAt":"2026-01-01T00:00:00Z"}}"#,
            ),
            ("proc/41/cgroup", &format!("0::/docker/{AA}/inner\n")),
            ("proc/42/cgroup", &format!("1:cpu:/\n0::/docker/{AA}\n")),
            ("etc/docker/daemon.json", r#"{"data-root":"/srv/docker"}"#),
            (
                "srv/docker/containers/cc/config.v2.json",
                r#"{"Name":"/job","State":{"ExitCode":3,"StartedAt":"2026-01-01T00:00:00Z"}}"#,
            ),
            ("srv/docker/containers/dd/config.v2.json", "not json"),
        ]);
        let listed: Vec<_> = containers(&host)
            .into_iter()
            .map(|one| (one.id.0.to_string(), one.identity.name, one.state.unwrap().status, one.pid))
            .collect();
        let of = |id: &str, name: &str, status: &str, pid| (id.into(), name.into(), status.into(), pid);
        assert_eq!(listed, [of(AA, "web", "running", Some(42)), of("cc", "job", "exited", None)]);
        let dead = docker::read(&host, &ContainerId("cc".into()), None);
        assert!(dead.is_ok_and(|container| container.data_root == Path::new("/srv/docker")));
    }

    #[test]
    fn the_first_process_is_the_recorded_one_while_it_is_the_containers() {
        let (_dir, host) = host_with(&[
            (&format!("{TASKS}/k8s.io/{BB}/config.json"), SPEC),
            (&format!("{TASKS}/k8s.io/{BB}/init.pid"), "71"),
            ("proc/70/cgroup", &format!("0::/kubepods/pod1/{BB}\n")),
            ("proc/71/cgroup", &format!("0::/kubepods/pod1/{BB}\n")),
            (&format!("{PODMAN}/{DD}/userdata/config.json"), SPEC),
            // The number is another's by now.
            (&format!("run/containers/storage/overlay-containers/{DD}/userdata/pidfile"), "72\n"),
            ("proc/72/cgroup", "0::/user.slice\n"),
            (&format!("{PODMAN}/ee/userdata/config.json"), "broken"),
        ]);
        let mut pids: Vec<_> = containers(&host)
            .into_iter()
            .map(|one| (one.id.0.to_string(), one.identity.runtime, one.pid))
            .collect();
        pids.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            (BB.to_owned(), Runtime::Containerd, Some(71)),
            (DD.to_owned(), Runtime::Podman, None),
            ("ee".to_owned(), Runtime::Podman, None),
        ];
        assert_eq!(pids, expected);
    }

    #[test]
    fn what_runs_is_listed_wherever_its_runtime_keeps_it_and_with_its_word_for_a_name() {
        let web = r#"{"process":{"args":["/a"]},"linux":{"cgroupsPath":"/odd/web"}}"#;
        let (_dir, host) = host_with(&[
            ("srv/web/config.json", web),
            ("proc/80/cmdline", "runc\0--root\0/odd\0run\0-b\0/srv/web\0web\0"),
            ("proc/81/status", "PPid:\t80\n"),
            ("proc/81/cgroup", "0::/odd/web\n"),
            ("proc/82/cgroup", &format!("0::/docker/{AA}\n")),
            (&format!("{TASKS}/default/redis/config.json"), SPEC),
            (&format!("{TASKS}/other/redis/config.json"), SPEC),
        ]);
        let mut listed: Vec<_> = containers(&host)
            .into_iter()
            .map(|one| (one.id.0.to_string(), one.identity.name, one.pid))
            .collect();
        listed.sort();
        let of = |id: &str, name: &str, pid| (id.to_owned(), name.to_owned(), pid);
        let expected = [
            of(AA, "", Some(82)),
            of("default/redis", "redis", None),
            of("other/redis", "redis", None),
            of("web", "web", Some(81)),
        ];
        assert_eq!(listed, expected);
    }
}

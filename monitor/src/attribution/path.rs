//! What the words in a cgroup's path tell: a container's id, its runtime, its pod, the user it belongs to. Pure.

use crate::model::container::{ContainerId, Runtime, is_random};

/// What stands before the id in the name of a cgroup, and whose it is. The monitor processes of CRI-O and podman have
/// cgroups with the container's id too, `crio-conmon-ID` and `libpod-conmon-ID`; they are no part of it.
const PREFIXES: [(&str, Runtime); 8] = [
    ("docker-", Runtime::Docker),
    ("cri-containerd-", Runtime::Containerd),
    ("nerdctl-", Runtime::Containerd),
    ("crio-", Runtime::CriO),
    // `podman run --cgroups=split`, as quadlets do it.
    ("libpod-payload-", Runtime::Podman),
    ("libpod-", Runtime::Podman),
    ("runc-", Runtime::Runc),
    ("crun-", Runtime::Crun),
];
/// Where podman keeps its cgroups with the driver `cgroupfs`. A pod has one there whose name is a bare id.
const LIBPOD_PARENT: &str = "libpod_parent";

/// A cgroup whose name is a container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'p> {
    pub id: ContainerId,
    pub runtime: Runtime,
    /// The path as far as the container's own cgroup.
    pub top: &'p str,
}

/// The innermost component of a path that has the name of a container with an id that its runtime made up.
///
/// `/docker/ID`, `/system.slice/docker-ID.scope`, `/kubepods/burstable/podUID/ID`,
/// `/kubepods.slice/…/cri-containerd-ID.scope`, `/machine.slice/libpod-ID.scope`, and any cgroup below them.
pub fn named(path: &str) -> Option<Named<'_>> {
    let mut top = path;
    while let Some((parents, component)) = top.rsplit_once('/') {
        let is_pod = parents.rsplit('/').next() == Some(LIBPOD_PARENT) && is_random(component);
        let words = words(component).into_iter().next_back().filter(|(id, _)| is_random(id) && !is_pod);
        if let Some((id, runtime)) = words {
            let by_parent = if parents.ends_with("/docker") { Runtime::Docker } else { Runtime::Unknown };
            let runtime = if runtime == Runtime::Unknown { by_parent } else { runtime };
            return Some(Named { id: ContainerId(id.into()), runtime, top });
        }
        top = parents;
    }
    None
}

/// The runtime that the path tells, for what files do not say.
pub fn runtime_of(path: &str) -> Runtime {
    named(path).map_or(Runtime::Unknown, |named| named.runtime)
}

/// What the name of a path's last cgroup may say as a container's id, whether a person or a runtime chose it: the whole
/// name, and what is left of it without the words of a systemd scope.
pub fn words(path: &str) -> Vec<(&str, Runtime)> {
    let component = path.rsplit('/').next().unwrap_or_default();
    let name = component.strip_suffix(".scope").unwrap_or(component);
    // `SLICE:PREFIX:ID`: a path for the systemd driver in the hands of the other driver is taken by its letters.
    if let Some((rest, id)) = name.rsplit_once(':') {
        let prefix = rest.rsplit(':').next().unwrap_or_default();
        let known = PREFIXES.iter().find(|(known, _)| known.strip_suffix('-') == Some(prefix));
        return vec![(id, known.map_or(Runtime::Unknown, |(_, runtime)| *runtime))];
    }
    let mut words = vec![(name, Runtime::Unknown)];
    let prefixed = PREFIXES.iter().find_map(|(prefix, runtime)| Some((name.strip_prefix(prefix)?, *runtime)));
    words.extend(prefixed.filter(|(id, _)| !id.is_empty()));
    words
}

/// The uid of the pod in the path, as the kubelet writes it into both kinds of names: `podUID` and
/// `kubepods-burstable-podUID.slice`, where systemd takes underscores for hyphens.
pub fn pod_uid(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|component| {
        let (name, is_slice) = match component.strip_suffix(".slice") {
            Some(name) if name.contains("kubepods-") => (name.rsplit('-').next()?, true),
            Some(_) => return None,
            // As above, by its letters.
            None if component.contains(".slice:") => {
                (component.split(".slice:").next()?.rsplit('-').next()?, true)
            }
            None => (component, false),
        };
        let uid = name.strip_prefix("pod").filter(|uid| uid.len() >= 8)?;
        let is_uid = uid.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'_'));
        is_uid.then(|| if is_slice { uid.replace('_', "-") } else { uid.to_owned() })
    })
}

/// The user whose own processes may make cgroups here: `/user.slice/user-1000.slice/…`.
pub fn owner(path: &str) -> Option<u32> {
    let slice = path.strip_prefix("/user.slice/user-")?;
    slice.split_once(".slice")?.0.parse().ok().filter(|&uid| uid != 0)
}

/// All paths above this one, the nearest first, without the root.
pub fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

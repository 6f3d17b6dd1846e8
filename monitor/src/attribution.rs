//! Which container a cgroup belongs to, from its path. Pure; the tree of cgroups is walked elsewhere.

use std::collections::{HashMap, HashSet};

use crate::model::{
    container::{CgroupId, ContainerId, Run, Runtime},
    time::{BootNs, SECOND},
};

/// So long after its end all events of a cgroup have been read, the one of its end among them, unless that was lost.
const ON_THEIR_WAY_NS: u64 = 2 * SECOND;

/// Hexadecimal digits of the ids that Docker, containerd, CRI-O and podman give.
const ID_DIGITS: usize = 64;
/// What stands before the id in the name of a systemd scope, and whose it is.
const SCOPES: [(&str, Runtime); 4] = [
    ("docker-", Runtime::Docker),
    ("cri-containerd-", Runtime::Containerd),
    ("crio-", Runtime::CriO),
    ("libpod-", Runtime::Podman),
];

/// The container that a cgroup path belongs to: its innermost component that is a container's name.
///
/// `/docker/ID`, `/system.slice/docker-ID.scope`, `/kubepods/burstable/podUID/ID`,
/// `/kubepods.slice/…/cri-containerd-ID.scope`, `/machine.slice/libpod-ID.scope`, and any cgroup below them.
pub fn container_of(path: &str) -> Option<ContainerId> {
    path.rsplit('/').find_map(id_of).map(|(id, _)| id)
}

/// The runtime that the cgroup's name tells, for what files do not say.
pub fn runtime_of(path: &str) -> Runtime {
    let named = path.rsplit('/').find_map(id_of).map_or(Runtime::Unknown, |(_, runtime)| runtime);
    if named == Runtime::Unknown && path.starts_with("/docker/") { Runtime::Docker } else { named }
}

/// One path component as a container's name. The monitor processes of CRI-O and podman have scopes with the
/// container's id too; they are no part of it.
fn id_of(component: &str) -> Option<(ContainerId, Runtime)> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let (id, runtime) = SCOPES
        .iter()
        .find_map(|(prefix, runtime)| Some((name.strip_prefix(prefix)?, *runtime)))
        .unwrap_or((name, Runtime::Unknown));
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then(|| (ContainerId(id.to_owned()), runtime))
}

/// What a cgroup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// A container's first cgroup in this life.
    New(Run),
    /// A cgroup inside a known container.
    Inside(Run),
    /// No container's.
    Host,
}

/// All container cgroups that exist now.
#[derive(Debug, Default)]
pub struct Attribution {
    runs: HashMap<CgroupId, Run>,
    /// The first cgroup of each container in its present life, with its path.
    first: HashMap<ContainerId, (CgroupId, String)>,
    /// Cgroups that are no container's: events of theirs that slip out before the kernel side ignores them are known
    /// for what they are.
    host: HashSet<CgroupId>,
    /// Containers' cgroups that the last walk did not find, and since when.
    absent: HashMap<CgroupId, BootNs>,
}

impl Attribution {
    /// A cgroup appeared, or was found.
    pub fn place(&mut self, cgroup: CgroupId, path: &str) -> Placed {
        if let Some(run) = self.runs.get(&cgroup) {
            return Placed::Inside(run.clone());
        }
        let Some(container) = container_of(path) else {
            self.host.insert(cgroup);
            return Placed::Host;
        };
        if let Some((first, _)) = self.first.get(&container) {
            let run = Run { container, cgroup: *first };
            self.runs.insert(cgroup, run.clone());
            return Placed::Inside(run);
        }
        let run = Run { container: container.clone(), cgroup };
        self.runs.insert(cgroup, run.clone());
        self.first.insert(container, (cgroup, path.to_owned()));
        Placed::New(run)
    }

    /// A cgroup is gone; the run that ends with it.
    pub fn remove(&mut self, cgroup: CgroupId) -> Option<Run> {
        self.absent.remove(&cgroup);
        self.host.remove(&cgroup);
        let run = self.runs.remove(&cgroup)?;
        if run.cgroup != cgroup {
            return None;
        }
        self.first.remove(&run.container);
        self.runs.retain(|_, other| *other != run);
        Some(run)
    }

    /// The run that an event of this cgroup belongs to.
    pub fn run(&self, cgroup: CgroupId) -> Option<&Run> {
        self.runs.get(&cgroup)
    }

    /// The cgroup is known, and no container's.
    pub fn is_host(&self, cgroup: CgroupId) -> bool {
        self.host.contains(&cgroup)
    }

    /// The path of a run's cgroup.
    pub fn path(&self, run: &Run) -> Option<&str> {
        self.first.get(&run.container).map(|(_, path)| path.as_str())
    }

    /// Runs whose cgroup has not been among `present` for a while. One that is gone just now has events on their way, the
    /// last of which tells its end.
    pub fn long_absent(&mut self, present: &HashSet<CgroupId>, at: BootNs) -> Vec<CgroupId> {
        let absent =
            self.first.values().map(|(cgroup, _)| *cgroup).filter(|cgroup| !present.contains(cgroup));
        let since = std::mem::take(&mut self.absent);
        self.absent = absent.map(|cgroup| (cgroup, since.get(&cgroup).copied().unwrap_or(at))).collect();
        let long = self.absent.iter().filter(|(_, since)| at.since(**since) >= ON_THEIR_WAY_NS);
        long.map(|(cgroup, _)| *cgroup).collect()
    }

    /// Containers alive now.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";
    const INNER: &str = "00ff9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";

    #[test]
    fn paths_of_every_runtime_name_their_container() {
        for (path, runtime) in [
            (format!("/docker/{ID}"), Runtime::Docker),
            (format!("/system.slice/docker-{ID}.scope"), Runtime::Docker),
            (format!("/system.slice/docker-{ID}.scope/init.scope"), Runtime::Docker),
            (format!("/kubepods/burstable/pod6b1f/{ID}"), Runtime::Unknown),
            (
                format!("/kubepods.slice/kubepods-pod6b1f.slice/cri-containerd-{ID}.scope"),
                Runtime::Containerd,
            ),
            (format!("/kubepods.slice/crio-{ID}.scope/container"), Runtime::CriO),
            (format!("/machine.slice/libpod-{ID}.scope"), Runtime::Podman),
            (
                format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
                Runtime::Podman,
            ),
        ] {
            assert_eq!(container_of(&path), Some(ContainerId(ID.into())), "{path}");
            assert_eq!(runtime_of(&path), runtime, "{path}");
        }
        assert_eq!(container_of(&format!("/docker/{ID}/docker/{INNER}")), Some(ContainerId(INNER.into())));
    }

    #[test]
    fn other_cgroups_are_the_hosts() {
        for path in [
            "/".to_owned(),
            "/system.slice/docker.service".to_owned(),
            format!("/machine.slice/libpod-conmon-{ID}.scope"),
            format!("/kubepods.slice/crio-conmon-{ID}.scope"),
            format!("/docker/{ID}0"),
            format!("/docker/{}", ID.to_uppercase()),
        ] {
            assert_eq!(container_of(&path), None, "{path}");
        }
        let mut attribution = Attribution::default();
        assert_eq!(attribution.place(CgroupId(5), "/system.slice"), Placed::Host);
        assert!(attribution.is_host(CgroupId(5)) && !attribution.is_host(CgroupId(6)));
        attribution.remove(CgroupId(5));
        assert!(!attribution.is_host(CgroupId(5)));
    }

    #[test]
    fn a_cgroup_that_a_walk_misses_is_kept_until_its_events_must_have_come() {
        let mut attribution = Attribution::default();
        attribution.place(CgroupId(1), &format!("/docker/{ID}"));
        let nothing = HashSet::new();
        let at = |seconds: u64| BootNs(seconds * SECOND);
        assert_eq!(attribution.long_absent(&nothing, at(10)), []);
        assert_eq!(attribution.long_absent(&nothing, at(11)), []);
        assert_eq!(attribution.long_absent(&HashSet::from([CgroupId(1)]), at(12)), []);
        assert_eq!(attribution.long_absent(&nothing, at(13)), []);
        assert_eq!(attribution.long_absent(&nothing, at(15)), [CgroupId(1)]);
    }

    #[test]
    fn a_restart_is_a_new_run_and_inner_cgroups_belong_to_the_first() {
        let mut attribution = Attribution::default();
        let path = format!("/docker/{ID}");
        let run = Run { container: ContainerId(ID.into()), cgroup: CgroupId(1) };
        assert_eq!(attribution.place(CgroupId(1), &path), Placed::New(run.clone()));
        assert_eq!(attribution.place(CgroupId(2), &format!("{path}/inner")), Placed::Inside(run.clone()));
        assert_eq!(attribution.remove(CgroupId(2)), None);
        assert_eq!(attribution.remove(CgroupId(1)), Some(run));
        assert!(attribution.run(CgroupId(2)).is_none());
        assert!(matches!(attribution.place(CgroupId(3), &path), Placed::New(_)));
    }
}

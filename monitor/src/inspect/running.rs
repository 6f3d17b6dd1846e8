//! Which containers run now, wherever their runtime keeps its files: from the processes of the host and their cgroups.

use std::{collections::BTreeMap, io};

use super::{
    host::Host,
    whereabouts::{Cgroup, Whereabouts, of_cgroup},
};
use crate::{
    attribution::{Attribution, Placed, above},
    model::container::{CgroupId, ContainerId},
};

/// Processes that are looked at.
const LIMIT: usize = 65_536;

/// A container that has processes.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) at: Whereabouts,
    /// Of its processes, the inner containers' not among them, in the host's pid namespace.
    pub(super) pids: Vec<u32>,
}

/// The innermost container that a process runs in; `None` for a process of the host.
pub(crate) fn container_of(host: &Host, pid: u32) -> io::Result<Option<ContainerId>> {
    let cgroups = host.cgroups_of(pid)?;
    Ok(path_of(&cgroups).and_then(|path| Tree::default().container_at(host, path, pid)))
}

/// All containers that have processes, by id.
pub(super) fn all(host: &Host) -> BTreeMap<ContainerId, Running> {
    let mut by_path: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for pid in host.pids().into_iter().take(LIMIT) {
        let Ok(cgroups) = host.cgroups_of(pid) else { continue };
        if let Some(path) = path_of(&cgroups) {
            by_path.entry(path.to_owned()).or_default().push(pid);
        }
    }
    let (mut tree, mut found) = (Tree::default(), BTreeMap::<ContainerId, Running>::new());
    // A path comes before those below it: a container's own process tells of it before the inner ones' do.
    for (path, pids) in by_path {
        let Some(id) = pids.first().and_then(|pid| tree.container_at(host, &path, *pid)) else { continue };
        let at = tree.found.get(&id).cloned().unwrap_or_else(|| id.clone().into());
        found.entry(id).or_insert_with(|| Running { at, pids: Vec::new() }).pids.extend(pids);
    }
    found
}

/// The path in the hierarchy of v2, and where processes are in its root alone, in that of the memory controller.
pub(super) fn path_of(cgroups: &str) -> Option<&str> {
    // hierarchy:controllers:path
    let of = |wanted: &dyn Fn(&str) -> bool| {
        cgroups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            (wanted(controllers) && path != "/").then_some(path)
        })
    };
    of(&str::is_empty).or_else(|| of(&|controllers| controllers.split(',').any(|one| one == "memory")))
}

/// Cgroups as far as processes led to them.
#[derive(Default)]
struct Tree {
    attribution: Attribution,
    cgroups: BTreeMap<String, CgroupId>,
    found: BTreeMap<ContainerId, Whereabouts>,
}

impl Tree {
    /// The innermost container around `path`, in whose cgroup the process `pid` is.
    fn container_at(&mut self, host: &Host, path: &str, pid: u32) -> Option<ContainerId> {
        let mut paths: Vec<&str> = std::iter::once(path).chain(above(path)).collect();
        paths.reverse();
        let mut container = None;
        for path in paths {
            let next = CgroupId(self.cgroups.len() as u64 + 1);
            let cgroup = *self.cgroups.entry(path.to_owned()).or_insert(next);
            container = match self.place(host, cgroup, path, pid) {
                Placed::New { run, .. } | Placed::Inside(run) => Some(run.container),
                Placed::Host => None,
            };
        }
        container
    }

    fn place(&mut self, host: &Host, cgroup: CgroupId, path: &str, pid: u32) -> Placed {
        let Some(question) = self.attribution.question(cgroup, path) else {
            return self.attribution.place(cgroup, path, crate::attribution::Proof::Nothing);
        };
        let asked = Cgroup { path, question: &question, maker: None, member: Some(pid), neighbour: None };
        let (proof, found) = of_cgroup(host, asked);
        let placed = self.attribution.place(cgroup, path, proof);
        if let (Placed::New { run, .. }, Some(found)) = (&placed, found) {
            self.found.insert(run.container.clone(), Whereabouts { id: run.container.clone(), ..found });
        }
        placed
    }
}

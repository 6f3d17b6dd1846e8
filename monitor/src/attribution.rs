//! Which container a cgroup belongs to. Pure: the tree of cgroups is walked, and files are asked, elsewhere.

mod path;

use std::collections::{HashMap, HashSet};

pub use path::{Named, above, named, owner, pod_uid, runtime_of, words};

use crate::model::{
    container::{CgroupId, ContainerId, Run},
    time::{BootNs, SECOND},
};

/// So long after its end all events of a cgroup have been read, the one of its end among them, unless that was lost.
const ON_THEIR_WAY_NS: u64 = 2 * SECOND;

/// What a cgroup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// A container's first cgroup in this life. `gone` is a life that ends with it: its end was not seen, or it was an
    /// imitation.
    New { run: Run, gone: Option<Run> },
    /// A cgroup inside a known container.
    Inside(Run),
    /// No container's.
    Host,
}

/// What files say about a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is this container's.
    Container(ContainerId),
    /// Nothing: its name is all there is.
    Nothing,
    /// The container whose name it has is another's.
    Imitation,
}

/// What is to be found out before a cgroup can be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The container that the path names.
    pub named: Option<ContainerId>,
    /// The container that the cgroup lies in: what its files say is its own word.
    pub within: Option<Run>,
}

/// The present life of a container.
#[derive(Debug)]
struct Life {
    run: Run,
    path: String,
    within: Option<Run>,
    /// How many containers are around it.
    depth: usize,
    /// Files vouch for it, not its name alone.
    proven: bool,
    /// Further cgroups belong to it, or did.
    has_inner: bool,
}

impl Life {
    /// Anybody may make a cgroup inside what is their own. Of two that claim an id the one that fewer could have made is
    /// the container; of equals the one that files vouch for.
    fn standing(&self) -> (usize, bool, bool) {
        (self.depth, owner(&self.path).is_some(), !self.proven)
    }
}

/// All container cgroups that exist now.
#[derive(Debug, Default)]
pub struct Attribution {
    runs: HashMap<CgroupId, Run>,
    lives: HashMap<ContainerId, Life>,
    /// Whose the path is, of each life.
    paths: HashMap<String, ContainerId>,
    /// Cgroups that are no container's: events of theirs that slip out before the kernel side ignores them are known
    /// for what they are.
    host: HashSet<CgroupId>,
    /// Cgroups that the last walk did not find, and since when.
    absent: HashMap<CgroupId, BootNs>,
}

impl Attribution {
    /// What has to be asked of files; nothing for a cgroup whose place is clear.
    pub fn question(&self, cgroup: CgroupId, path: &str) -> Option<Question> {
        if self.runs.contains_key(&cgroup) || self.host.contains(&cgroup) {
            return None;
        }
        let around = self.around(path);
        let named = deeper(path, around);
        let is_below_known = named.as_ref().is_some_and(|named| named.top != path && self.is_life(named.top));
        (!is_below_known).then(|| Question {
            named: named.map(|named| named.id),
            within: around.map(|life| life.run.clone()),
        })
    }

    /// A cgroup appeared, or was found.
    pub fn place(&mut self, cgroup: CgroupId, path: &str, proof: Proof) -> Placed {
        if let Some(run) = self.runs.get(&cgroup) {
            return Placed::Inside(run.clone());
        }
        let around = self.around(path);
        let (id, top, proven) = match (proof, deeper(path, around)) {
            (Proof::Container(id), _) => (id, path, true),
            // Inside a container a name alone proves nothing.
            (Proof::Nothing, Some(named)) if around.is_none() => (named.id, named.top, false),
            (Proof::Nothing | Proof::Imitation, _) => {
                let run = around.map(|life| life.run.clone());
                return self.belongs(cgroup, run);
            }
        };
        let life = Life {
            run: Run { container: id, cgroup },
            path: top.to_owned(),
            within: around.map(|life| life.run.clone()),
            depth: around.map_or(0, |life| life.depth + 1),
            proven,
            has_inner: false,
        };
        self.claim(life, top == path)
    }

    /// Gives the cgroup to a new life, unless another has a better claim to its id.
    fn claim(&mut self, life: Life, is_top: bool) -> Placed {
        let cgroup = life.run.cgroup;
        let Some(other) = self.lives.get(&life.run.container) else { return self.begin(life, None) };
        if other.path == life.path && !is_top {
            let run = other.run.clone();
            return self.belongs(cgroup, Some(run));
        }
        let (gone, within) = (other.run.clone(), other.within.clone());
        if other.path == life.path {
            // The directory was made anew, and nobody saw the old one go.
            self.remove(gone.cgroup);
            return self.begin(life, Some(gone));
        }
        if life.standing() < other.standing() {
            let own: Vec<CgroupId> =
                self.runs.iter().filter(|(_, run)| **run == gone).map(|(cgroup, _)| *cgroup).collect();
            self.remove(gone.cgroup);
            for cgroup in own {
                self.belongs(cgroup, within.clone());
            }
            return self.begin(life, Some(gone));
        }
        let container = &life.run.container;
        if life.proven && !container.is_random() {
            // Two namespaces of containerd, two roots of runc: the same word for two containers.
            let container = ContainerId(format!("{container}@{}", life.path).into());
            if !self.lives.contains_key(&container) {
                return self.begin(Life { run: Run { container, cgroup }, ..life }, None);
            }
        }
        self.belongs(cgroup, life.within)
    }

    fn begin(&mut self, life: Life, gone: Option<Run>) -> Placed {
        let run = life.run.clone();
        self.runs.insert(run.cgroup, run.clone());
        self.paths.insert(life.path.clone(), run.container.clone());
        self.lives.insert(run.container.clone(), life);
        Placed::New { run, gone }
    }

    fn belongs(&mut self, cgroup: CgroupId, run: Option<Run>) -> Placed {
        let Some(run) = run else {
            self.host.insert(cgroup);
            return Placed::Host;
        };
        self.runs.insert(cgroup, run.clone());
        if let Some(life) = self.lives.get_mut(&run.container) {
            life.has_inner = true;
        }
        Placed::Inside(run)
    }

    /// The innermost known container that the path lies in.
    fn around(&self, path: &str) -> Option<&Life> {
        above(path).find_map(|path| self.lives.get(self.paths.get(path)?))
    }

    fn is_life(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// A cgroup is gone; the run that ends with it.
    pub fn remove(&mut self, cgroup: CgroupId) -> Option<Run> {
        self.absent.remove(&cgroup);
        self.host.remove(&cgroup);
        let run = self.runs.remove(&cgroup)?;
        if run.cgroup != cgroup {
            return None;
        }
        let life = self.lives.remove(&run.container);
        if let Some(life) = &life {
            self.paths.remove(&life.path);
        }
        if life.is_none_or(|life| life.has_inner) {
            self.runs.retain(|_, other| *other != run);
        }
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
        self.lives.get(&run.container).filter(|life| life.run == *run).map(|life| life.path.as_str())
    }

    /// Cgroups that have not been among `present` for a while. One that is gone just now has events on their way, the
    /// last of which tells its end. `too_deep`: cgroups inside containers may lie deeper than a walk goes.
    pub fn long_absent(&mut self, present: &HashSet<CgroupId>, too_deep: bool, at: BootNs) -> Vec<CgroupId> {
        let runs = self.runs.iter().filter(|(cgroup, run)| run.cgroup == **cgroup || !too_deep);
        let known = runs.map(|(cgroup, _)| cgroup).chain(&self.host);
        let absent = known.filter(|cgroup| !present.contains(cgroup));
        let since = std::mem::take(&mut self.absent);
        self.absent = absent.map(|cgroup| (*cgroup, since.get(cgroup).copied().unwrap_or(at))).collect();
        let long = self.absent.iter().filter(|(_, since)| at.since(**since) >= ON_THEIR_WAY_NS);
        long.map(|(cgroup, _)| *cgroup).collect()
    }

    /// The last walk did not find all that are known.
    pub fn misses_any(&self) -> bool {
        !self.absent.is_empty()
    }

    /// It has been placed.
    pub fn knows(&self, cgroup: CgroupId) -> bool {
        self.runs.contains_key(&cgroup) || self.host.contains(&cgroup)
    }

    /// It lies in a container that is known, however much of the path is missing at its end.
    pub fn is_below_container(&self, path: &str) -> bool {
        self.around(path).is_some()
    }

    /// Containers alive now.
    pub fn len(&self) -> usize {
        self.lives.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }
}

/// What the path names below the container that it is known to lie in.
fn deeper<'p>(path: &'p str, around: Option<&Life>) -> Option<Named<'p>> {
    named(path).filter(|named| around.is_none_or(|life| named.top.len() > life.path.len()))
}

#[cfg(test)]
mod tests;

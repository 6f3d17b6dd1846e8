//! Which containers exist, by name: from the runtimes' files, and from their sockets where those add something.

mod docker;
mod resolve;

use std::{collections::BTreeMap, io};

pub use docker::{SocketError, from_sockets, known_sockets, names};
pub use resolve::{Candidate, ResolveError, resolve};

use crate::{
    inspect::{self, Host},
    model::{
        container::{ContainerId, Identity},
        fact::RuntimeState,
        text::inert,
    },
};

/// What sockets answer, for fuzz tests.
#[cfg(feature = "fuzzing")]
pub(crate) const FUZZED: &[crate::fuzzing::Target] = &[crate::fuzzing::Target::new(
    "docker-socket",
    "the list of containers that dockerd or podman answers",
    &[crate::fuzzing::Seed::Text(
        r#"[{"Id":"ab12","Names":["/db/api","/api"],"Image":"img:1","State":"exited","Status":"Exited (137) 3 minutes ago","Labels":{"a":"b"}}]"#,
    )],
    docker::fuzzed,
)];

/// A container that a person may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: ContainerId,
    pub identity: Identity,
    /// What its runtime remembers. From a socket it has the status and the exit code alone.
    pub state: Option<RuntimeState>,
    /// Its first process is alive.
    pub running: bool,
    /// The first process, in the host's pid namespace.
    pub pid: Option<u32>,
}

impl Listed {
    /// A container of which nothing but its id is known.
    #[must_use]
    pub fn unnamed(id: ContainerId) -> Self {
        Self { id, identity: Identity::default(), state: None, running: false, pid: None }
    }

    /// `NAMESPACE/POD/CONTAINER`, the name, or the short id; inert.
    #[must_use]
    pub fn label(&self) -> String {
        let Identity { name, namespace, pod, image: _, pod_uid: _, runtime: _, workload: _ } = &self.identity;
        let label = match (pod.is_empty(), name.is_empty()) {
            (false, false) => format!("{namespace}/{pod}/{name}"),
            (false, true) => format!("{namespace}/{pod}"),
            (true, false) => name.clone(),
            (true, true) => self.id.short().to_owned(),
        };
        inert(&label).into_owned()
    }

    /// The runtime's word for its state, or `running` and `not running`.
    #[must_use]
    pub fn status(&self) -> &str {
        match (&self.state, self.running) {
            (Some(state), _) if !state.status.is_empty() => &state.status,
            (Some(_) | None, true) => "running",
            (Some(_) | None, false) => "not running",
        }
    }

    /// It only holds the namespaces of a pod. Such a container has no name, or one that no pod can give.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        !self.identity.pod.is_empty() && matches!(self.identity.name.as_str(), "" | "POD")
    }
}

/// All containers that have files on the host or processes, sorted by id. Blocks while it reads them.
pub fn from_files(host: &Host) -> Vec<Listed> {
    let listed = inspect::containers(host).into_iter().map(|listing| {
        let inspect::Listing { id, identity, state, pid } = listing;
        Listed { id, identity, state, running: pid.is_some(), pid }
    });
    let mut listed: Vec<Listed> = listed.collect();
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    listed
}

/// The container that a process runs in; `None` for a process of the host.
pub fn container_of_process(host: &Host, pid: u32) -> io::Result<Option<ContainerId>> {
    inspect::container_of(host, pid)
}

/// Adds to `files` what the sockets know beyond them. Of a container that both know, the files keep their word.
#[must_use]
pub fn merge(files: Vec<Listed>, sockets: Vec<Listed>) -> Vec<Listed> {
    let mut merged: BTreeMap<ContainerId, Listed> =
        files.into_iter().map(|listed| (listed.id.clone(), listed)).collect();
    for other in sockets {
        match merged.get_mut(&other.id) {
            Some(known) => complete(known, other),
            None => {
                merged.insert(other.id.clone(), other);
            }
        }
    }
    merged.into_values().collect()
}

/// Fills what is empty. `running` and `pid` come from the files alone.
fn complete(known: &mut Listed, other: Listed) {
    let Listed { id: _, identity, state, running: _, pid: _ } = other;
    let Identity { name, image, namespace, pod, pod_uid, runtime: _, workload } = identity;
    let mine = &mut known.identity;
    for (empty, value) in [
        (&mut mine.name, name),
        (&mut mine.image, image),
        (&mut mine.namespace, namespace),
        (&mut mine.pod, pod),
        (&mut mine.pod_uid, pod_uid),
    ] {
        if empty.is_empty() {
            *empty = value;
        }
    }
    if mine.workload.is_none() {
        mine.workload = workload;
    }
    if known.state.is_none() {
        known.state = state;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn listed(id: &str, name: &str, running: bool) -> Listed {
        let identity = Identity { name: name.to_owned(), ..Identity::default() };
        Listed { identity, running, ..Listed::unnamed(ContainerId(id.into())) }
    }

    #[test]
    fn sockets_add_and_never_overrule() {
        let state = RuntimeState { status: "running".to_owned(), ..RuntimeState::default() };
        let files = vec![listed("a", "", false), listed("b", "web", true)];
        let told = Listed { state: Some(state.clone()), ..listed("a", "api", true) };
        let merged = merge(files, vec![told, listed("b", "other", false), listed("c", "job", true)]);
        let expected = [
            Listed { state: Some(state), ..listed("a", "api", false) },
            listed("b", "web", true),
            listed("c", "job", true),
        ];
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_recorded_process_counts_only_while_it_is_in_the_containers_cgroup() {
        let (alive, recycled) = ("ab".repeat(32), "cd".repeat(32));
        let dir = tempfile::tempdir().unwrap();
        for (id, pid) in [(&alive, 7), (&recycled, 8)] {
            let bundle = dir.path().join("run/containerd/io.containerd.runtime.v2.task/k8s.io").join(id);
            fs::create_dir_all(&bundle).unwrap();
            fs::write(bundle.join("config.json"), r#"{"process":{}}"#).unwrap();
            fs::write(bundle.join("init.pid"), format!("{pid}")).unwrap();
        }
        for (pid, cgroups) in
            [(7, format!("12:pids:/\n0::/kubepods/pod1/{alive}\n")), (8, "0::/user.slice\n".into())]
        {
            let process = dir.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&process).unwrap();
            fs::write(process.join("cgroup"), cgroups).unwrap();
        }
        let host = Host::new(dir.path(), &dir.path().join("proc")).unwrap();
        let seen: Vec<_> =
            from_files(&host).into_iter().map(|one| (one.id.0.to_string(), one.running, one.pid)).collect();
        assert_eq!(seen, [(alive, true, Some(7)), (recycled, false, None)]);
        assert!(container_of_process(&host, 8).unwrap().is_none());
        assert!(container_of_process(&host, 9).is_err());
        let nothing = tempfile::tempdir().unwrap();
        assert!(from_files(&Host::new(nothing.path(), nothing.path()).unwrap()).is_empty());
    }

    #[test]
    fn labels_name_the_pod_and_are_inert() {
        let mut one = listed("0123456789abcdef", "", false);
        assert_eq!((one.label().as_str(), one.status()), ("0123456789ab", "not running"));
        one.identity.name = "a\u{1b}[2J".to_owned();
        assert_eq!(one.label(), "a\\u{1b}[2J");
        one.identity =
            Identity { pod: "p".into(), namespace: "n".into(), name: "c".into(), ..Identity::default() };
        assert_eq!((one.label().as_str(), one.is_sandbox()), ("n/p/c", false));
        one.identity.name = "POD".to_owned();
        assert!(one.is_sandbox());
    }
}

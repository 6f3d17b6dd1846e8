//! Looks at a container's configuration and files and says what it learned, as facts. Runs on a blocking thread: it reads
//! files of the container, which may be hostile, and never executes, mounts visibly or changes anything.

mod aside;
mod bundle;
mod code;
mod dead;
mod deadline;
mod dlopen;
mod docker;
mod elf;
mod entrypoint;
mod environment;
mod file;
mod found;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gobuild;
mod held;
mod host;
mod identity;
mod image;
mod ldcache;
mod libc;
mod libraries;
mod linked;
mod listing;
mod living;
mod loader;
mod mounted;
mod mounts;
mod names;
mod oci;
mod own;
mod passwd;
mod pclntab;
mod pem;
mod process;
mod relocation;
mod root;
mod running;
mod script;
mod source;
mod states;
mod storage;
mod teller;
#[cfg(test)]
mod testing;
mod trust;
mod versions;
mod walk;
mod whereabouts;
mod window;

pub use bundle::{BundleDirectory, Bundles, Place, Survey};
pub use deadline::Deadline;
pub use dlopen::{DlopenCalls, DlopenFunction, WatchDlopen};
pub(crate) use docker::identity as docker_identity;
pub use host::{Host, HostError};
pub(crate) use listing::{Listing, containers};
pub use names::{NameFile, names};
pub use own::is_hosts_own;
pub(crate) use running::container_of;
pub use teller::Maker;
pub use whereabouts::{Cgroup, Whereabouts, of_cgroup};

use std::os::fd::OwnedFd;

use self::{
    docker::{Container, ContainerConfig},
    held::Held,
    oci::Bundle,
    root::ContainerRoot,
};
use crate::{
    attribution,
    model::{
        container::{ContainerId, Identity, Runtime},
        fact::{Config, Fact, Known, Want},
    },
};

/// What can be learned of a container whose first program has not started: everything, from its bundle.
pub fn at_birth(host: &Host, at: &Whereabouts, watch: WatchDlopen<'_>, deadline: Deadline) -> Vec<Fact> {
    Subject::of(host, at, None, deadline).facts(Some(watch))
}

/// What can be learned of a running container with a process `pid`.
pub fn of_live(
    host: &Host,
    at: &Whereabouts,
    pid: u32,
    watch: WatchDlopen<'_>,
    deadline: Deadline,
) -> Vec<Fact> {
    Subject::of(host, at, Some(pid), deadline).facts(Some(watch))
}

/// What can be learned of a container that is not running: the facts, and of Docker's the last exit.
pub fn of_dead(host: &Host, id: &ContainerId, deadline: Deadline) -> Vec<Fact> {
    let Ok(container) = docker::read(host, id, None) else {
        return Subject::of(host, &id.clone().into(), None, deadline).facts(None);
    };
    let mut facts = Subject::from_docker(host, id, &container, deadline).facts(None);
    facts.push(Fact::RuntimeState(container.runtime_state()));
    facts
}

/// What dockerd remembers of a container's last exit; nothing for the containers of other runtimes.
pub fn last_exit(host: &Host, id: &ContainerId) -> Option<Fact> {
    let found = host.bundles.find(host, id);
    let bundle = found.as_ref().and_then(|directory| oci::read(host, &directory.path).ok());
    let hints = bundle.as_ref().map(|bundle| (bundle.root.as_path(), bundle.config.mounts.as_slice()));
    docker::read(host, id, hints).ok().map(|container| Fact::RuntimeState(container.runtime_state()))
}

/// The answer to a question about a container, through processes of it where some are known.
pub fn answer(host: &Host, at: &Whereabouts, pids: &[u32], want: &Want, deadline: Deadline) -> Fact {
    let pid = pids.first().copied();
    let root = |deadline| Subject::of(host, at, pid, deadline).root;
    match want {
        Want::File(path) => {
            Fact::File { path: path.clone(), file: looked(root(deadline), |root| file::describe(root, path)) }
        }
        Want::Pem(path) => {
            Fact::Pem { path: path.clone(), pem: looked(root(deadline), |root| pem::find(root, path)) }
        }
        Want::Linked(path) => Fact::Linked {
            path: path.clone(),
            packages: looked(root(deadline), |root| linked::find(root, path)),
        },
        Want::Processes => Fact::Processes(living::processes(host, &at.cgroup, pids)),
        Want::Cpu => Fact::Cpu(living::cpu(host, pids)),
    }
}

/// What is to be said of a container that could not be looked at: nothing is known, and why.
pub fn unanswered(at: &Whereabouts, reason: &str) -> Vec<Fact> {
    let runtime =
        at.bundle.as_ref().map_or_else(|| attribution::runtime_of(&at.cgroup), |found| found.runtime);
    let identity = identity::without_bundle(&at.id, runtime);
    let nobody = |_| Known::unknown(reason);
    Subject::unknown(runtime, reason.to_owned()).named(identity).facts(Some(&nobody))
}

/// The same of a question.
pub fn unanswered_question(want: &Want, reason: &str) -> Fact {
    match want.clone() {
        Want::File(path) => Fact::File { path, file: Known::unknown(reason) },
        Want::Pem(path) => Fact::Pem { path, pem: Known::unknown(reason) },
        Want::Linked(path) => Fact::Linked { path, packages: Known::unknown(reason) },
        Want::Processes => Fact::Processes(Known::unknown(reason)),
        Want::Cpu => Fact::Cpu(Known::unknown(reason)),
    }
}

/// A look into the container's root, where there is one.
fn looked<T>(
    root: Result<ContainerRoot<'_>, String>,
    look: impl FnOnce(&ContainerRoot<'_>) -> Known<T>,
) -> Known<T> {
    match root {
        Ok(root) => look(&root),
        Err(reason) => Known::Unknown(reason),
    }
}

/// A container as far as it could be found.
struct Subject<'h> {
    identity: Identity,
    config: Result<Config, String>,
    root: Result<ContainerRoot<'h>, String>,
    /// Only Docker keeps it.
    image: Option<ContainerConfig>,
}

impl<'h> Subject<'h> {
    fn unknown(runtime: Runtime, reason: String) -> Self {
        let identity = identity::unnamed(runtime);
        Self { identity, config: Err(reason.clone()), root: Err(reason), image: None }
    }

    fn named(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// The bundle's word where it is still there. On a busy machine a container that fails at once is over by then; of one
    /// of Docker's there is what dockerd keeps until it is removed.
    fn of(host: &'h Host, at: &'h Whereabouts, pid: Option<u32>, deadline: Deadline) -> Self {
        let host = at.files(host);
        let subject = Self::from_bundle(host, at, pid, deadline);
        if subject.root.is_ok() {
            return subject;
        }
        let Ok(container) = docker::read(host, &at.id, None) else { return subject };
        let kept = Self::from_docker(host, &at.id, &container, deadline);
        if kept.root.is_ok() {
            return kept;
        }
        Self { identity: kept.identity, image: kept.image, ..subject }
    }

    fn from_docker(host: &'h Host, id: &ContainerId, container: &Container, deadline: Deadline) -> Self {
        let (config, root) = match dead::revive(host, id, container, deadline) {
            Ok(dead) => (dead.config, dead.root),
            Err(error) => (Err(error_text(&error)), Err(error_text(&error))),
        };
        Self { identity: container.identity(), config, root, image: Some(container.config.clone()) }
    }

    fn from_bundle(host: &'h Host, at: &Whereabouts, pid: Option<u32>, deadline: Deadline) -> Self {
        let Some(directory) = at.bundle(host) else {
            let runtime = attribution::runtime_of(&at.cgroup);
            let subject = Self::unknown(runtime, format!("no bundle of container {} was found", at.id));
            let pod_uid = attribution::pod_uid(&at.cgroup).unwrap_or_default();
            let identity = Identity { pod_uid, ..identity::without_bundle(&at.id, runtime) };
            return subject.named(identity);
        };
        let (read, held, top) = match at.hold.take() {
            Some(Held { bundle, container, root }) => (Ok(bundle), container, root),
            None => (oci::read(host, &directory.path), None, None),
        };
        let bundle = match read {
            Ok(bundle) => bundle,
            Err(error) => {
                let subject = Self::unknown(directory.runtime, error_text(&error));
                return subject.named(identity::without_bundle(&directory.id, directory.runtime));
            }
        };
        let container = held.or_else(|| identity::docker_container(host, &directory, &bundle));
        Self {
            identity: identity::identify(host, &directory, &bundle, container.as_ref()),
            root: Self::root(
                host,
                &directory,
                &bundle,
                (pid.map(|pid| (pid, at.cgroup.as_str())), top),
                deadline,
            ),
            config: Ok(bundle.config),
            image: container.map(|container| container.config),
        }
    }

    /// The tree of the living process where there is one, else that of the bundle, whose top may have been opened already.
    fn root(
        host: &'h Host,
        directory: &BundleDirectory,
        bundle: &Bundle,
        (process, top): (Option<(u32, &str)>, Option<OwnedFd>),
        deadline: Deadline,
    ) -> Result<ContainerRoot<'h>, String> {
        let living = process.and_then(|process| source::of_process(host, bundle, process, deadline).ok());
        if let Some(root) = living {
            return Ok(root);
        }
        let mounted = source::of_bundle(host, bundle, &directory.path, top, deadline);
        let root = mounted.or_else(|error| {
            let layers = storage::layers(host, &bundle.root).ok_or(error)?;
            source::of_layers(host, bundle, &layers, deadline)
        });
        root.map_err(|error| error_text(&error))
    }

    /// In the order of their urgency: what a failure at the start rests on comes first, then what has to be in place before
    /// the program runs. Of a container that is over nobody watches anything.
    fn facts(self, watch: Option<WatchDlopen<'_>>) -> Vec<Fact> {
        let runtime = self.identity.runtime;
        let (config, root) = match (&self.config, &self.root) {
            (Ok(config), Ok(root)) => (config, root),
            (Err(reason), _) | (Ok(_), Err(reason)) => {
                let config = self.config.clone().map_or_else(Known::Unknown, Known::Is);
                let watched = watch.map(|_| Fact::DlopenWatched(Known::unknown(reason)));
                let facts = [
                    Fact::Identity(self.identity),
                    Fact::Config(config),
                    Fact::Entrypoint(Known::unknown(reason)),
                    Fact::Libc(Known::unknown(reason)),
                    Fact::Passwd(Known::unknown(reason)),
                    Fact::TrustStore(Known::unknown(reason)),
                    Fact::Image(image::find(runtime, self.image.as_ref(), Err(reason))),
                ];
                return facts.into_iter().chain(watched).collect();
            }
        };
        let entrypoint = entrypoint::find(root, config);
        let watched = watch.map(|watch| Fact::DlopenWatched(dlopen::watched(root, &entrypoint, watch)));
        let facts = [
            Fact::Identity(self.identity),
            Fact::Config(Known::Is(config.clone())),
            Fact::Entrypoint(entrypoint),
            Fact::Libc(libc::find(root)),
            Fact::Passwd(passwd::find(root, config.uid)),
            Fact::TrustStore(trust::find(root, config)),
            Fact::Image(image::find(runtime, self.image.as_ref(), Ok((root, config)))),
        ];
        facts.into_iter().chain(watched).collect()
    }
}

/// An error with its causes in one line.
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // A transparent error repeats its source.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;

//! Finds the OCI bundle of a container by its id in the places where runtimes keep them. Asks no daemon.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use super::host::Host;
use crate::model::container::{ContainerId, Runtime, is_random};

/// A place below the host's root where a runtime keeps bundles: `*` stands for one directory, `{id}` for the container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub pattern: String,
    pub runtime: Runtime,
}

impl Place {
    pub fn new(pattern: &str, runtime: Runtime) -> Self {
        Self { pattern: pattern.to_owned(), runtime }
    }

    fn bundles<'h>(&'h self, host: &'h Host) -> impl Iterator<Item = BundleDirectory> + 'h {
        let (before, after) = self.pattern.split_once("{id}").unwrap_or_default();
        expand(host, before).into_iter().flat_map(move |parent| {
            let names = host.names(Path::new(&parent), LIST_LIMIT).into_iter();
            names.filter(|name| is_plain(name)).filter_map(move |name| {
                let path = PathBuf::from(format!("{parent}{name}{after}"));
                let there = has_config(host, &path);
                there.then(|| BundleDirectory { id: qualified(&name, &path), path, runtime: self.runtime })
            })
        })
    }

    fn survey(&self, host: &Host, bundles: usize) -> Survey {
        let fixed = self.pattern.split(['*', '{']).next().unwrap_or_default();
        match host.look_into(Path::new(fixed)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Survey::Closed,
            Ok(()) => Survey::Bundles(bundles),
            Err(_) => Survey::Absent,
        }
    }
}

/// What a place for bundles turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survey {
    /// The directory is not there.
    Absent,
    /// gomon may not look into it.
    Closed,
    /// Bundles with a `config.json`.
    Bundles(usize),
}

/// Where bundles are looked for, in this order.
#[derive(Debug, Clone)]
pub struct Bundles {
    pub places: Vec<Place>,
}

/// The bundle directory of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleDirectory {
    pub id: ContainerId,
    /// As seen from the host's root.
    pub path: PathBuf,
    pub runtime: Runtime,
}

/// More directories than this behind one `*` are not looked at.
const WILDCARD_LIMIT: usize = 256;
/// More containers than this in one place are not listed.
const LIST_LIMIT: usize = 4096;

/// Where containerd keeps its bundles, below a directory for each namespace.
const CONTAINERD_TASKS: &str = "io.containerd.runtime.v2.task";

const DEFAULT_PLACES: [(&str, Runtime); 11] = [
    ("/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{id}", Runtime::Docker),
    ("/run/containerd/io.containerd.runtime.v2.task/moby/{id}", Runtime::Docker),
    ("/run/containerd/io.containerd.runtime.v2.task/*/{id}", Runtime::Containerd),
    ("/run/k3s/containerd/io.containerd.runtime.v2.task/*/{id}", Runtime::Containerd),
    ("/run/k0s/containerd/io.containerd.runtime.v2.task/*/{id}", Runtime::Containerd),
    ("/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/*/{id}", Runtime::Containerd),
    // CRI-O and podman share containers/storage; the annotations tell them apart.
    ("/run/containers/storage/overlay-containers/{id}/userdata", Runtime::CriO),
    ("/var/lib/containers/storage/overlay-containers/{id}/userdata", Runtime::Podman),
    ("/run/user/*/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{id}", Runtime::Docker),
    ("/run/user/*/containers/overlay-containers/{id}/userdata", Runtime::Podman),
    ("/home/*/.local/share/containers/storage/overlay-containers/{id}/userdata", Runtime::Podman),
];

impl Default for Bundles {
    fn default() -> Self {
        Self { places: DEFAULT_PLACES.map(|(pattern, runtime)| Place::new(pattern, runtime)).to_vec() }
    }
}

impl Bundles {
    /// The bundle of this container: the first place that has a `config.json` for it.
    pub fn find(&self, host: &Host, id: &ContainerId) -> Option<BundleDirectory> {
        self.with_word(host, id.plain()).find(|directory| directory.id == *id)
    }

    /// The bundles whose directory has this name.
    pub(super) fn with_word<'h>(
        &'h self,
        host: &'h Host,
        word: &'h str,
    ) -> impl Iterator<Item = BundleDirectory> + 'h {
        let places = self.places.iter().filter(move |_| is_plain(word));
        places.flat_map(move |place| {
            let (before, after) = place.pattern.split_once("{id}").unwrap_or_default();
            expand(host, before).into_iter().filter_map(move |parent| {
                let path = PathBuf::from(format!("{parent}{word}{after}"));
                has_config(host, &path).then(|| BundleDirectory {
                    id: qualified(word, &path),
                    path,
                    runtime: place.runtime,
                })
            })
        })
    }

    /// All bundles that are there, each id once.
    pub fn all(&self, host: &Host) -> Vec<BundleDirectory> {
        let mut found: Vec<BundleDirectory> = Vec::new();
        let mut known = HashSet::new();
        for place in &self.places {
            found.extend(place.bundles(host).filter(|bundle| known.insert(bundle.id.clone())));
        }
        found
    }

    /// What each place holds; bundles that an earlier place has too do not count again.
    pub fn survey(&self, host: &Host) -> Vec<(&Place, Survey)> {
        let mut known = HashSet::new();
        self.places
            .iter()
            .map(|place| {
                let fresh = place.bundles(host).filter(|bundle| known.insert(bundle.id.clone())).count();
                (place, place.survey(host, fresh))
            })
            .collect()
    }
}

/// The id of the container with this word for a name: containerd's namespaces each have their own words.
pub(super) fn qualified(word: &str, bundle: &Path) -> ContainerId {
    let namespace = bundle.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let is_containerds = bundle.ancestors().nth(2).is_some_and(|tasks| tasks.ends_with(CONTAINERD_TASKS));
    match namespace {
        Some(namespace) if is_containerds && !is_random(word) => {
            ContainerId(format!("{namespace}/{word}").into())
        }
        Some(_) | None => ContainerId(word.into()),
    }
}

/// Whose bundle lies there; `tool` is what executes it.
pub(super) fn runtime_of(bundle: &Path, tool: Runtime) -> Runtime {
    if bundle.ancestors().nth(2).is_some_and(|tasks| tasks.ends_with(CONTAINERD_TASKS)) {
        let is_dockers = bundle.parent().is_some_and(|namespace| namespace.ends_with("moby"));
        return if is_dockers { Runtime::Docker } else { Runtime::Containerd };
    }
    // CRI-O and podman share containers/storage; the annotations tell them apart.
    let is_stored = bundle.ends_with("userdata")
        && bundle.ancestors().nth(2).is_some_and(|parent| parent.ends_with("overlay-containers"));
    if is_stored { Runtime::Podman } else { tool }
}

pub(super) fn has_config(host: &Host, directory: &Path) -> bool {
    host.locate(&directory.join("config.json")).is_ok()
}

/// An id becomes a path component: nothing that could climb out of the place.
pub(super) fn is_plain(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 128
        && !id.starts_with('.')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The directories that a pattern with `*` components stands for.
pub(super) fn expand(host: &Host, pattern: &str) -> Vec<String> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.to_owned()] };
    host.names(Path::new(before), WILDCARD_LIMIT)
        .into_iter()
        .flat_map(|name| expand(host, &format!("{before}{name}{after}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn host_with(bundles: &[&str]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().unwrap();
        for bundle in bundles {
            let path = dir.path().join(bundle);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("config.json"), "{}").unwrap();
        }
        let host = Host::new(dir.path(), Path::new("/proc")).unwrap();
        (dir, host)
    }

    #[test]
    fn each_runtime_has_its_place() {
        let (_dir, host) = host_with(&[
            "run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/aaa",
            "run/containerd/io.containerd.runtime.v2.task/k8s.io/bbb",
            "run/containerd/io.containerd.runtime.v2.task/moby/ccc",
            "var/lib/containers/storage/overlay-containers/ddd/userdata",
            "run/user/1000/containers/overlay-containers/eee/userdata",
        ]);
        let runtime = |id: &str| host.bundles.find(&host, &ContainerId(id.into())).map(|b| b.runtime);
        assert_eq!(runtime("moby/aaa"), Some(Runtime::Docker));
        assert_eq!(runtime("k8s.io/bbb"), Some(Runtime::Containerd));
        assert_eq!(runtime("moby/ccc"), Some(Runtime::Docker));
        assert_eq!(runtime("ddd"), Some(Runtime::Podman));
        assert_eq!(runtime("eee"), Some(Runtime::Podman));
        assert_eq!(runtime("fff"), None);
        assert_eq!(runtime("bbb"), None);
        let mut ids: Vec<_> = host.bundles.all(&host).into_iter().map(|b| b.id.0.to_string()).collect();
        ids.sort();
        assert_eq!(ids, ["ddd", "eee", "k8s.io/bbb", "moby/aaa", "moby/ccc"]);
        let counts: Vec<_> = host.bundles.survey(&host).into_iter().map(|(_, survey)| survey).collect();
        let bundles = |count| Survey::Bundles(count);
        assert_eq!(counts.get(..4), Some(&[bundles(1), bundles(1), bundles(1), Survey::Absent][..]));
    }

    #[test]
    fn an_id_that_is_a_path_finds_nothing() {
        let (_dir, host) = host_with(&["run/containerd/io.containerd.runtime.v2.task/x"]);
        for id in ["../x", "..", "", "a/b", ".hidden"] {
            assert_eq!(host.bundles.find(&host, &ContainerId(id.into())), None, "{id}");
        }
    }
}

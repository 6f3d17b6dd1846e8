//! Names a container from what its runtime wrote beside it: annotations, or dockerd's own files.

use std::{collections::HashMap, path::PathBuf};

use serde::Deserialize;

use super::{
    bundle::{BundleDirectory, is_plain},
    docker::{self, Container},
    host::Host,
    oci::{self, Bundle},
};
use crate::model::{
    container::{ContainerId, Identity, Runtime},
    workload,
};

/// containers/storage keeps all its containers in one file.
const STORAGE_LIMIT_BYTES: u64 = 16 << 20;
/// The annotation in which CRI-O keeps labels, JSON in a string.
const LABELS: &str = "io.kubernetes.cri-o.Labels";

/// The names of the container in `directory`; what nobody wrote down stays empty. `container` is what
/// [`docker_container`] tells of it.
pub(super) fn identify(
    host: &Host,
    directory: &BundleDirectory,
    bundle: &Bundle,
    container: Option<&Container>,
) -> Identity {
    if directory.runtime == Runtime::Docker {
        return container.map_or_else(|| unnamed(Runtime::Docker), Container::identity);
    }
    let mut identity = from_annotations(&bundle.annotations, directory.runtime);
    if !identity.pod.is_empty() {
        let labels = labels(host, directory, &bundle.annotations);
        let label = |name: &str| labels.get(name).map(String::as_str);
        identity.workload = workload::of_pod(&identity.pod, label).map(Box::new);
    }
    if identity.runtime == Runtime::Podman
        && identity.name.is_empty()
        && let Some(stored) = stored(host, directory)
    {
        identity.name = stored.names.into_iter().flatten().next().unwrap_or_default();
        let metadata: Option<Metadata> = serde_json::from_str(&stored.metadata).ok();
        identity.image = metadata.map(|metadata| metadata.image_name).unwrap_or_default();
    }
    // What a person chose for an id is the name.
    if identity.name.is_empty() && identity.pod.is_empty() && !directory.id.is_random() {
        directory.id.plain().clone_into(&mut identity.name);
    }
    identity
}

/// What dockerd keeps of a container whose bundle is there, if it is one of Docker's.
pub(super) fn docker_container(
    host: &Host,
    directory: &BundleDirectory,
    bundle: &Bundle,
) -> Option<Container> {
    let is_dockers = directory.runtime == Runtime::Docker;
    let hints = || Some((bundle.root.as_path(), bundle.config.mounts.as_slice()));
    is_dockers.then(|| docker::read(host, &directory.id, hints()).ok()).flatten()
}

/// What is left when the files are gone: a word that a person chose for an id is the name.
pub(super) fn without_bundle(id: &ContainerId, runtime: Runtime) -> Identity {
    let name = if id.is_random() { String::new() } else { id.plain().to_owned() };
    Identity { name, ..unnamed(runtime) }
}

/// Nothing but the runtime.
pub(super) fn unnamed(runtime: Runtime) -> Identity {
    Identity { runtime, ..Identity::default() }
}

fn from_annotations(annotations: &HashMap<String, String>, runtime: Runtime) -> Identity {
    let first =
        |names: &[&str]| names.iter().find_map(|name| annotations.get(*name)).cloned().unwrap_or_default();
    let runtime = match (annotations.get("io.container.manager").map(String::as_str), runtime) {
        (Some("cri-o"), _) => Runtime::CriO,
        (Some("libpod"), _) => Runtime::Podman,
        // Both keep their bundles in the same places; CRI-O alone writes these annotations.
        (_, Runtime::CriO | Runtime::Podman) => {
            let cri_o = annotations.keys().any(|name| name.starts_with("io.kubernetes.cri-o."));
            if cri_o { Runtime::CriO } else { Runtime::Podman }
        }
        (_, Runtime::Docker | Runtime::Containerd | Runtime::Runc | Runtime::Crun | Runtime::Unknown) => {
            runtime
        }
    };
    Identity {
        name: first(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"]),
        image: first(&[
            "io.kubernetes.cri.image-name",
            "io.kubernetes.cri-o.ImageName",
            "io.kubernetes.cri-o.Image",
            "nerdctl/image",
        ]),
        namespace: first(&["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"]),
        pod: first(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        pod_uid: first(&["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]),
        runtime,
        workload: None,
    }
}

/// The labels of the pod. CRI-O alone writes any: to a container the names only, and all to the sandbox beside it.
fn labels(
    host: &Host,
    directory: &BundleDirectory,
    annotations: &HashMap<String, String>,
) -> HashMap<String, String> {
    let sandbox = annotations.get("io.kubernetes.cri-o.SandboxID").filter(|id| is_plain(id));
    // <storage>/overlay-containers/<id>/userdata
    let beside = sandbox.zip(directory.path.ancestors().nth(2));
    let config = beside.and_then(|(id, storage)| oci::annotations(host, &storage.join(id).join("userdata")));
    let of_sandbox = config.as_ref().and_then(|config| config.get(LABELS));
    let written = of_sandbox.or_else(|| annotations.get(LABELS));
    written.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// One entry of `containers.json` of containers/storage.
#[derive(Deserialize)]
pub(super) struct Stored {
    id: String,
    names: Option<Vec<String>>,
    /// JSON in a string.
    #[serde(default)]
    metadata: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, rename = "image-name")]
    image_name: String,
}

/// Where containers/storage keeps the names of all its containers.
pub(super) fn storage_list(directory: &BundleDirectory) -> Option<PathBuf> {
    // <storage>/overlay-containers/<id>/userdata
    Some(directory.path.ancestors().nth(2)?.join("containers.json"))
}

fn stored(host: &Host, directory: &BundleDirectory) -> Option<Stored> {
    find_stored(&host.read(&storage_list(directory)?, STORAGE_LIMIT_BYTES).ok()?, &directory.id.0)
}

pub(super) fn find_stored(json: &[u8], id: &str) -> Option<Stored> {
    let containers: Vec<Stored> = serde_json::from_slice(json).ok()?;
    containers.into_iter().find(|container| container.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::testing::host_with;

    fn identity(annotations: &[(&str, &str)], runtime: Runtime) -> Identity {
        let map = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        from_annotations(&map, runtime)
    }

    #[test]
    fn containerd_and_cri_o_name_the_pod_in_their_own_words() {
        let containerd = identity(
            &[
                ("io.kubernetes.cri.container-name", "app"),
                ("io.kubernetes.cri.sandbox-name", "web-1"),
                ("io.kubernetes.cri.sandbox-namespace", "shop"),
                ("io.kubernetes.cri.sandbox-uid", "u1"),
                ("io.kubernetes.cri.image-name", "reg/app:1"),
            ],
            Runtime::Containerd,
        );
        let cri_o = identity(
            &[
                ("io.container.manager", "cri-o"),
                ("io.kubernetes.container.name", "app"),
                ("io.kubernetes.pod.name", "web-1"),
                ("io.kubernetes.pod.namespace", "shop"),
                ("io.kubernetes.pod.uid", "u1"),
                ("io.kubernetes.cri-o.ImageName", "reg/app:1"),
            ],
            Runtime::Podman,
        );
        assert_eq!(containerd, Identity { runtime: Runtime::Containerd, ..cri_o.clone() });
        assert_eq!((cri_o.runtime, cri_o.pod.as_str()), (Runtime::CriO, "web-1"));
    }

    #[test]
    fn a_bundle_of_containers_storage_without_cri_o_annotations_is_podmans() {
        assert_eq!(identity(&[], Runtime::CriO).runtime, Runtime::Podman);
        assert_eq!(identity(&[("io.container.manager", "libpod")], Runtime::CriO).runtime, Runtime::Podman);
    }

    #[test]
    fn cri_o_writes_the_labels_of_a_pod_to_the_sandbox_beside_it() {
        let storage = "run/containers/storage/overlay-containers";
        let labels = r#"{"annotations":{"io.kubernetes.cri-o.Labels":"{\"pod-template-hash\":\"7d9f\"}"}}"#;
        let (_directory, host) = host_with(&[(&format!("{storage}/5a/userdata/config.json"), labels)]);
        let id = ContainerId("c0".into());
        let directory =
            BundleDirectory { id, path: format!("/{storage}/c0/userdata").into(), runtime: Runtime::CriO };
        let workload = |sandbox: &str, pod: &str| {
            let annotations = [
                ("io.kubernetes.cri-o.SandboxID", sandbox),
                ("io.kubernetes.pod.name", pod),
                ("io.kubernetes.cri-o.Labels", "{}"),
            ];
            let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let bundle = Bundle { annotations, ..Bundle::default() };
            identify(&host, &directory, &bundle, None).workload.map(|workload| workload.to_string())
        };
        assert_eq!(workload("5a", "api-7d9f-x2k4z").as_deref(), Some("Deployment api"));
        // Without the sandbox the name alone tells, or nothing does.
        assert_eq!(workload("gone", "api-7d9f8c6b5f-x2k4z").as_deref(), Some("probably Deployment api"));
        assert_eq!(workload("../c0", "api-7d9f-x2k4z"), None);
    }

    #[test]
    fn podman_keeps_its_names_in_the_storage() {
        let json = br#"[{"id":"a"},{"id":"b","names":["web"],"metadata":"{\"image-name\":\"img:1\"}"}]"#;
        let found = find_stored(json, "b").unwrap();
        assert_eq!(found.names.unwrap(), ["web"]);
        assert!(find_stored(json, "c").is_none());
    }
}

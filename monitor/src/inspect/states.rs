//! What runc and crun themselves keep of a container: where its cgroup and its bundle are. For what nobody else tells.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    bundle::{BundleDirectory, expand},
    host::Host,
    whereabouts::{directory, is_word},
};
use crate::{
    attribution,
    model::container::{ContainerId, Runtime},
};

const LIMIT_BYTES: u64 = 4 << 20;
/// More containers than this of one root are not listed.
const LIST_LIMIT: usize = 4096;

/// Where runc and crun keep the directory of a container without `--root`.
const ROOTS: [(&str, Runtime); 4] = [
    ("/run/runc/", Runtime::Runc),
    ("/run/crun/", Runtime::Crun),
    ("/run/user/*/runc/", Runtime::Runc),
    ("/run/user/*/crun/", Runtime::Crun),
];

/// A container that runc or crun keeps.
#[derive(Debug)]
pub(super) struct State {
    pub(super) bundle: BundleDirectory,
    /// Its cgroups, as paths of a host's file system or as paths below the mounts.
    cgroups: Vec<String>,
}

/// `state.json` of runc.
#[derive(Deserialize)]
struct RuncState {
    #[serde(default)]
    cgroup_paths: std::collections::HashMap<String, String>,
    config: RuncConfig,
}

#[derive(Deserialize)]
struct RuncConfig {
    /// `NAME=VALUE`, the bundle among them.
    #[serde(default)]
    labels: Vec<String>,
}

/// `status` of crun.
#[derive(Deserialize)]
struct CrunStatus {
    #[serde(default, rename = "cgroup-path")]
    cgroup_path: String,
    bundle: PathBuf,
}

/// The container whose cgroup this is.
pub(super) fn find(files: &Host, path: &str) -> Option<BundleDirectory> {
    let words = attribution::words(path);
    words.iter().filter(|(word, _)| is_word(word)).find_map(|(word, prefix)| {
        ROOTS.iter().find_map(|(root, tool)| {
            expand(files, root).into_iter().find_map(|root| {
                let directory = PathBuf::from(format!("{root}{word}"));
                match read(files, &directory, word, *tool) {
                    Some(state) => state.is_at(path).then_some(state.bundle),
                    // It is being started: systemd makes the cgroup before runc has written anything down.
                    None if prefix == tool && files.look_into(&directory).is_ok() => Some(BundleDirectory {
                        id: ContainerId((*word).into()),
                        path: directory,
                        runtime: *tool,
                    }),
                    None => None,
                }
            })
        })
    })
}

/// All containers of all roots that are known.
pub(super) fn all(files: &Host) -> Vec<State> {
    let of_root = |(root, tool): &(&str, Runtime)| {
        let roots = expand(files, root);
        let each = roots.into_iter().flat_map(|root| {
            let names = files.names(Path::new(&root), LIST_LIMIT).into_iter().filter(|name| is_word(name));
            names.filter_map(move |name| read(files, &PathBuf::from(format!("{root}{name}")), &name, *tool))
        });
        each.collect::<Vec<_>>()
    };
    ROOTS.iter().flat_map(of_root).collect()
}

pub(super) fn read(files: &Host, at: &Path, word: &str, tool: Runtime) -> Option<State> {
    let bytes = |name| files.read(&at.join(name), LIMIT_BYTES).ok();
    let (bundle, cgroups) = if tool == Runtime::Crun {
        let status: CrunStatus = serde_json::from_slice(&bytes("status")?).ok()?;
        (status.bundle, vec![status.cgroup_path])
    } else {
        let state: RuncState = serde_json::from_slice(&bytes("state.json")?).ok()?;
        let bundle = state.config.labels.iter().find_map(|label| label.strip_prefix("bundle="))?;
        (PathBuf::from(bundle), state.cgroup_paths.into_values().collect())
    };
    Some(State { bundle: directory(word, bundle, tool), cgroups })
}

impl State {
    fn is_at(&self, path: &str) -> bool {
        self.cgroups.iter().any(|cgroup| !path.is_empty() && cgroup.ends_with(path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::inspect::testing::host_with;

    /// As runc 1.1 writes it, shortened.
    const RUNC: &str = r#"{"id":"web","init_process_pid":28572,"cgroup_paths":{"":"/sys/fs/cgroup/unified/web",
        "memory":"/sys/fs/cgroup/memory/other/web","name=systemd":"/sys/fs/cgroup/systemd/web"},
        "config":{"rootfs":"/b/rootfs","labels":["org.example=x","bundle=/b"]}}"#;
    /// As crun 1.8 writes it, shortened.
    const CRUN: &str = r#"{"pid":31017,"cgroup-path":"/web2","scope":"","rootfs":"rootfs","systemd-cgroup":false,
        "bundle":"/b2","owner":"root","detached":false}"#;

    #[test]
    fn a_cgroup_is_a_containers_only_where_its_runtime_says_so() {
        let (_dir, host) = host_with(&[("run/runc/web/state.json", RUNC), ("run/crun/web2/status", CRUN)]);
        let found =
            |path| find(&host, path).map(|bundle| (bundle.id.0.to_string(), bundle.path, bundle.runtime));
        let web = |id: &str, bundle: &str, tool| Some((id.to_owned(), PathBuf::from(bundle), tool));
        assert_eq!(found("/web"), web("web", "/b", Runtime::Runc));
        assert_eq!(found("/other/web"), web("web", "/b", Runtime::Runc));
        assert_eq!(found("/web2"), web("web2", "/b2", Runtime::Crun));
        for other in ["/elsewhere/web", "/system.slice/web.service", "/web3", "/..", "/"] {
            assert_eq!(found(other), None, "{other}");
        }
        let ids: Vec<_> = all(&host).into_iter().map(|state| state.bundle.id.0.to_string()).collect();
        assert_eq!(ids, ["web", "web2"]);
    }

    #[test]
    fn a_scope_that_systemd_made_is_known_before_its_runtime_has_written_anything() {
        let (dir, host) = host_with(&[("run/runc/other/state.json", "not json")]);
        fs::create_dir_all(dir.path().join("run/runc/web")).unwrap();
        let found = |path| find(&host, path).map(|bundle| bundle.id.0);
        assert_eq!(found("/system.slice/runc-web.scope").as_deref(), Some("web"));
        assert_eq!(found("/system.slice/crun-web.scope"), None);
        assert_eq!(found("/web"), None);
    }
}

//! Who a container is: its id, its cgroup, its names.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::workload::Workload;

/// The id of a cgroup in the one hierarchy that this host is keyed by: the inode number of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

/// A container id as its runtime prints it in full, mostly 64 hexadecimal digits. A word that a person chose has the
/// containerd namespace in front of it where there is one: `default/redis`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub Arc<str>);

impl ContainerId {
    /// The first 12 digits, as docker and crictl print it; a name that a person gave stays whole.
    #[must_use]
    pub fn short(&self) -> &str {
        if is_number(&self.0) { self.0.get(..12).unwrap_or(&self.0) } else { &self.0 }
    }

    /// A runtime made it up: no two containers have the same. `ctr`, `runc` and `crun` take any word for an id.
    #[must_use]
    pub fn is_random(&self) -> bool {
        is_random(&self.0)
    }

    /// The id as its runtime knows it: without the containerd namespace, or the cgroup, that tells namesakes apart.
    #[must_use]
    pub fn plain(&self) -> &str {
        let without_cgroup = self.0.split_once('@').map_or(&*self.0, |(id, _)| id);
        without_cgroup.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hexadecimal digits of the ids that Docker, containerd's CRI plugin, CRI-O and podman make up.
const RANDOM_DIGITS: usize = 64;

/// A text has the form of an id that a runtime made up.
#[must_use]
pub fn is_random(id: &str) -> bool {
    id.len() == RANDOM_DIGITS && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Hexadecimal digits: the whole, or a part, of an id that a runtime made up.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One life of a container: the same container id gets a new cgroup at each restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    pub container: ContainerId,
    pub cgroup: CgroupId,
}

/// The container runtimes that gomon knows by their files and cgroup paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    Docker,
    Containerd,
    CriO,
    Podman,
    /// runc, called by a person or a program that gomon does not know.
    Runc,
    /// The same for crun.
    Crun,
    #[default]
    Unknown,
}

impl Runtime {
    pub const ALL: [Self; 7] =
        [Self::Docker, Self::Containerd, Self::CriO, Self::Podman, Self::Runc, Self::Crun, Self::Unknown];

    /// The word that stands before `://` in a container reference.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Unknown => "unknown",
        }
    }
}

/// The names of a container. Empty strings where the runtime has none (a Docker container has no pod).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The name a person gave: `docker ps` NAMES without the slash, or the container's name in the pod spec.
    pub name: String,
    pub image: String,
    pub namespace: String,
    pub pod: String,
    pub pod_uid: String,
    /// What runs the pod, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<Box<Workload>>,
    pub runtime: Runtime,
}

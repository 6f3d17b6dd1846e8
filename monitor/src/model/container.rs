//! Who a container is: its id, its cgroup, its names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a cgroup in the one hierarchy that this host is keyed by: the inode number of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CgroupId(pub u64);

/// A container id as its runtime prints it in full, mostly 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub String);

impl ContainerId {
    /// The first 12 characters, as docker and crictl print it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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
    #[default]
    Unknown,
}

impl Runtime {
    /// The word that stands before `://` in a container reference.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
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
    pub runtime: Runtime,
}

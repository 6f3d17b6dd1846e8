//! What to observe, why nothing can be, and what the observer counts about itself.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{
    inspect,
    kernel::{
        cgroupfs::CgroupError,
        load::{Choice, LoadError},
        rings::RingError,
    },
    model::container::ContainerId,
    runtime,
};

/// What to observe.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the host's root file system is mounted; `/` if not given.
    pub host_root: Option<PathBuf>,
    /// Only this container; all others stay in the kernel.
    pub only: Option<ContainerId>,
    /// Key containers by the v1 memory hierarchy even where a v2 tree exists.
    pub force_cgroup_v1: bool,
    /// Sockets that may know the name of a container whose files do not tell it; the known places if none is given.
    pub runtime_sockets: Vec<PathBuf>,
    pub hooks: Choice,
    /// Messages of the kernel programs go to the log.
    pub kernel_log: bool,
}

/// The given sockets; the known places below `host_root` if none is given.
pub(super) fn runtime_sockets(given: &[PathBuf], host_root: &Path) -> Vec<PathBuf> {
    if given.is_empty() { runtime::known_sockets(host_root) } else { given.to_vec() }
}

/// Why nothing can be observed.
#[derive(Debug, Error)]
pub enum ObserveError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Ring(#[from] RingError),
    #[error(transparent)]
    Host(#[from] inspect::HostError),
    #[error("the BPF object lacks the map {0}")]
    Map(&'static str),
    #[error("the kernel refused every probe: {0}")]
    AllBlind(String),
    #[error("cannot wait for the ring")]
    Wait(#[source] std::io::Error),
}

/// What the observer counts about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events of a cgroup that could not be found.
    pub unattributed: u64,
    /// Events of a host cgroup so young that the kernel side did not ignore it yet.
    pub of_host: u64,
    pub malformed: u64,
    /// Births and ends of the host's cgroups.
    pub host_cgroups: u64,
    /// Ends and victims that were told before.
    pub repeated: u64,
}

/// How an inspection of a container's files ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspected {
    Wholly,
    /// Some facts could not be established.
    Partly,
    /// It did not come back in time, or was not begun because others had not.
    GivenUp,
}

//! What is gone with a container that fails at once: taken in hand when its cgroup appears, given up when it has been
//! looked at.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    bundle::BundleDirectory,
    docker::Container,
    host::Host,
    identity,
    oci::{self, Bundle},
};

/// The configurations, of which one vanishes with the container, and its root file system, which stays reachable through
/// its descriptor even when it is unmounted.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bundle: Bundle,
    /// What dockerd keeps of it, and forgets with `--rm`. Other runtimes keep theirs.
    pub(super) container: Option<Container>,
    pub(super) root: Option<OwnedFd>,
}

/// Given to whoever looks first: a root file system that is held longer keeps its runtime from unmounting it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold(Arc<Mutex<Option<Held>>>);

impl Hold {
    /// Takes in hand what is there.
    pub(super) fn of(files: &Host, directory: &BundleDirectory) -> Self {
        let held = oci::read(files, &directory.path).ok().map(|bundle| {
            let container = identity::docker_container(files, directory, &bundle);
            let root = files.locate(&bundle.root).ok();
            Held { bundle, container, root }
        });
        Self(Arc::new(Mutex::new(held)))
    }

    /// Lets go of it.
    pub(super) fn take(&self) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

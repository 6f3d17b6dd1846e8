//! What is gone with a container that fails at once: taken in hand when its cgroup appears, given up when it has been
//! looked at.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    bundle::BundleDirectory,
    host::Host,
    identity,
    oci::{self, Bundle},
};
use crate::model::container::{Identity, Runtime};

/// The configuration, the names that vanish with the container, and its root file system, which stays reachable through
/// its descriptor even when it is unmounted.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bundle: Bundle,
    /// Docker forgets it with `--rm`. Others keep it.
    pub(super) identity: Option<Identity>,
    pub(super) root: Option<OwnedFd>,
}

/// Given to whoever looks first: a root file system that is held longer keeps its runtime from unmounting it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold(Arc<Mutex<Option<Held>>>);

impl Hold {
    /// Takes in hand what is there.
    pub(super) fn of(files: &Host, directory: &BundleDirectory) -> Self {
        let held = oci::read(files, &directory.path).ok().map(|bundle| {
            let is_dockers = directory.runtime == Runtime::Docker;
            let identity = is_dockers.then(|| identity::identify(files, directory, &bundle));
            let root = files.locate(&bundle.root).ok();
            Held { bundle, identity, root }
        });
        Self(Arc::new(Mutex::new(held)))
    }

    /// Lets go of it.
    pub(super) fn take(&self) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

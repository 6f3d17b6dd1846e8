//! Which mount brought a file into the container: there a remedy has to begin.

use super::wording::config;
use crate::{
    case::Case,
    model::{
        diagnosis::Evidence,
        fact::Mount,
        text::{inert, inert_short},
    },
};

/// Characters of a host's path that a finding shows.
const SHOWN: usize = 160;

/// A bind mount as seen from one file that lies on it.
pub(super) struct Mounted<'a> {
    mount: &'a Mount,
    /// The path below the mount, empty or with a leading slash.
    rest: String,
}

/// The bind mount that `path` lies on, other than the container's whole root.
pub(super) fn mounted<'a>(case: &'a Case, path: &str) -> Option<Mounted<'a>> {
    let below = |mount: &'a Mount| {
        let destination = mount.destination.trim_end_matches('/');
        let rest = path.strip_prefix(destination).filter(|_| !destination.is_empty())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| Mounted { mount, rest: rest.to_owned() })
    };
    let mounts = case.config.get()?.mounts.iter().filter_map(below);
    mounts.max_by_key(|found| found.mount.destination.len()).filter(|found| found.mount.kind == "bind")
}

impl Mounted<'_> {
    /// The same file on the host.
    pub(super) fn source(&self) -> String {
        inert_short(&format!("{}{}", self.mount.source.trim_end_matches('/'), self.rest), SHOWN)
    }

    /// A volume that the `kubelet` fills from a Secret, a `ConfigMap` or several of them.
    pub(super) fn is_from_kubernetes(&self) -> bool {
        self.mount.source.contains("/kubernetes.io~")
    }

    /// The mount as evidence.
    pub(super) fn evidence(&self) -> Evidence {
        let (destination, source) = (inert(&self.mount.destination), inert_short(&self.mount.source, SHOWN));
        config(format!("{destination} is mounted from {source} of the host"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        container::{CgroupId, ContainerId, Run},
        fact::{Config, Known},
        observation::Host,
        time::BootNs,
    };

    #[test]
    fn the_innermost_mount_counts_and_only_if_it_is_from_the_host() {
        let run = Run { container: ContainerId("ab".into()), cgroup: CgroupId(1) };
        let mut case = Case::new(run, BootNs(0), Host::default());
        let mount = |destination: &str, kind: &str| Mount {
            destination: destination.into(),
            kind: kind.into(),
            source: format!("/srv{destination}"),
            ..Mount::default()
        };
        let mounts = vec![mount("/certs", "bind"), mount("/certs/tmp", "tmpfs"), mount("/proc", "proc")];
        case.config = Known::Is(Config { mounts, ..Config::default() });
        let source = |path| mounted(&case, path).map(|found| found.source());
        assert_eq!(source("/certs/tls.crt").as_deref(), Some("/srv/certs/tls.crt"));
        assert_eq!(source("/certs").as_deref(), Some("/srv/certs"));
        assert_eq!(source("/certs/tmp/tls.crt"), None);
        assert_eq!(source("/certs2/tls.crt"), None);
        assert_eq!(source("/app/tls.crt"), None);
    }
}

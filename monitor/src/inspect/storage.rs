//! The layers of a container in containers/storage, where podman and CRI-O keep them: for one whose root is not mounted.

use std::path::{Path, PathBuf};

use super::host::Host;

const LIST_LIMIT_BYTES: u64 = 64 << 10;
/// overlayfs itself allows 500 layers.
const LAYER_LIMIT: usize = 500;

/// The directories of the root file system that would be mounted at `<storage>/overlay/<layer>/merged`, the uppermost
/// first.
pub(super) fn layers(host: &Host, root: &Path) -> Option<Vec<PathBuf>> {
    let own = root.parent().filter(|_| root.ends_with("merged"))?;
    let overlay = own.parent().filter(|overlay| overlay.ends_with("overlay"))?;
    let mut layers = vec![own.join("diff")];
    let lower = host.read(&own.join("lower"), LIST_LIMIT_BYTES).ok()?;
    let lower = String::from_utf8_lossy(&lower);
    layers.extend(lower.trim().split(':').take(LAYER_LIMIT).map(|link| overlay.join(link)));
    Some(layers)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn layers_lie_beside_the_mount_point_that_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("storage/overlay/aa");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("lower"), "l/XX:l/YY\n").unwrap();
        let host = Host::new(dir.path(), Path::new("/proc")).unwrap();
        let found = layers(&host, Path::new("/storage/overlay/aa/merged")).unwrap();
        let expected = ["aa/diff", "l/XX", "l/YY"].map(|layer| PathBuf::from("/storage/overlay").join(layer));
        assert_eq!(found, expected);
        for other in ["/storage/overlay/bb/merged", "/storage/overlay/aa", "/srv/web/merged", "/"] {
            assert_eq!(layers(&host, Path::new(other)), None, "{other}");
        }
    }
}

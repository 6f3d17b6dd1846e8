//! Whether somebody has given a running container another name: Docker and podman keep it in a file that they write anew.

use std::path::PathBuf;

use rustix::fs::fstat;

use super::{docker, host::Host, identity, oci, whereabouts::Whereabouts};
use crate::model::container::{Identity, Runtime};

/// The file that has a container's name, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFile {
    path: PathBuf,
    /// Inode, and seconds and nanoseconds of the last change.
    stamp: Option<(u64, i64, u64)>,
}

/// The file as it is now, and the names in it unless it is still as `before`. Other runtimes do not rename.
pub fn names(
    host: &Host,
    at: &Whereabouts,
    runtime: Runtime,
    before: Option<&NameFile>,
) -> Option<(NameFile, Option<Identity>)> {
    let files = at.files(host);
    let path = match before {
        Some(before) => before.path.clone(),
        None => file(files, at, runtime)?,
    };
    let stat = files.locate(&path).ok().and_then(|fd| fstat(&fd).ok());
    let now = NameFile { path, stamp: stat.map(|stat| (stat.st_ino, stat.st_mtime, stat.st_mtime_nsec)) };
    let is_same = now.stamp.is_none() || before == Some(&now);
    let names = if is_same { None } else { identity(files, at, runtime) };
    Some((now, names))
}

fn file(files: &Host, at: &Whereabouts, runtime: Runtime) -> Option<PathBuf> {
    match runtime {
        Runtime::Docker => {
            docker::read(files, &at.id, None).ok().map(|container| container.name_file(&at.id))
        }
        Runtime::Podman => identity::storage_list(at.bundle.as_ref()?),
        Runtime::Containerd | Runtime::CriO | Runtime::Runc | Runtime::Crun | Runtime::Unknown => None,
    }
}

fn identity(files: &Host, at: &Whereabouts, runtime: Runtime) -> Option<Identity> {
    if runtime == Runtime::Docker {
        return docker::read(files, &at.id, None).ok().map(|container| container.identity());
    }
    let directory = at.bundle.as_ref()?;
    let bundle = oci::read(files, &directory.path).ok()?;
    Some(identity::identify(files, directory, &bundle, None))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::model::container::ContainerId;

    #[test]
    fn a_name_is_read_again_only_when_its_file_has_changed() {
        let id = "3f2a9c1de0b14e6f8a7c5d3b2e1f00112233445566778899aabbccddeeff0011";
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join(format!("var/lib/docker/containers/{id}"));
        fs::create_dir_all(&kept).unwrap();
        // As dockerd does it: a new file takes the place of the old one.
        let write = |name: &str| {
            fs::write(kept.join("new"), format!(r#"{{"Name":"/{name}"}}"#)).unwrap();
            fs::rename(kept.join("new"), kept.join("config.v2.json")).unwrap();
        };
        write("web");
        let host = Host::new(dir.path(), Path::new("/proc")).unwrap();
        let at = Whereabouts::from(ContainerId(id.into()));
        let look = |before: Option<&NameFile>| names(&host, &at, Runtime::Docker, before).unwrap();
        let named = |identity: Option<Identity>| identity.map(|identity| identity.name);
        let (file, first) = look(None);
        assert_eq!(named(first).as_deref(), Some("web"));
        let (file, again) = look(Some(&file));
        assert_eq!(again, None);
        write("web-old");
        let (file, renamed) = look(Some(&file));
        assert_eq!(named(renamed).as_deref(), Some("web-old"));
        fs::remove_dir_all(&kept).unwrap();
        assert_eq!(look(Some(&file)).1, None);
        assert!(names(&host, &at, Runtime::Runc, None).is_none());
    }
}

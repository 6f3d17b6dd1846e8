//! Why a path inside a container cannot be written to, from its mounts, its files and its user. Pure; claims nothing
//! that the configuration or the files do not say.

mod remedy;

pub(super) use remedy::remedy;

use crate::{
    case::{Case, parent},
    model::{
        access::{EXECUTE, User, WRITE},
        errno::Errno,
        fact::{Config, File, FileFact, FileKind, Mount},
        text::inert,
    },
};

/// Where Go and everybody else put temporary files.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
/// Writes there fail in every container, or are none of files.
const NOT_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

/// An attempt to write, as far as it concerns the file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// Absolute, as the process wrote it.
    pub(super) path: &'a str,
    pub(super) errno: Errno,
    /// It would have made the path itself.
    pub(super) creates: bool,
    /// Only the directory decides: a name is made, moved or removed in it.
    pub(super) changes_directory: bool,
}

/// What stands in the way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Obstacle<'a> {
    /// The root file system is read-only, and no mount lies over the path.
    ReadOnlyRoot,
    /// The mount is read-only by its options.
    ReadOnlyMount(&'a Mount),
    /// The mount is not, and what is behind it is.
    ReadOnlySource(&'a Mount),
    /// There is no directory for temporary files.
    NoTemporary(&'static str),
    /// The mode of the file, or of the directory that it would be made in.
    Mode(&'a File),
    /// A directory on the way, with its mode, that the container's user may not search.
    ClosedDirectory(&'a str, u32),
}

impl<'a> Obstacle<'a> {
    /// The obstacle that explains why the attempt failed; `None` if nothing that is known does.
    pub(super) fn of(case: &'a Case, attempt: Attempt<'_>) -> Option<Self> {
        let config = case.config.get()?;
        let path = normal(attempt.path);
        if NOT_FILES.iter().any(|top| is_below(&path, top)) {
            return None;
        }
        match attempt.errno {
            Errno::EROFS => read_only(config, &path),
            Errno::ENOENT => no_temporary(case, &path, attempt),
            Errno::EACCES => forbidden(case, config, attempt),
            _ => None,
        }
    }

    /// The reason's name in the diagnosis.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ReadOnlyRoot => "read-only-root",
            Self::ReadOnlyMount(_) | Self::ReadOnlySource(_) => "read-only-mount",
            Self::NoTemporary(_) => "no-tmp",
            Self::Mode(_) | Self::ClosedDirectory(..) => "mode",
        }
    }

    /// The directory that the obstacle is about.
    pub(super) fn place(&self, attempt: Attempt<'_>) -> String {
        let path = normal(attempt.path);
        match self {
            Self::ReadOnlyMount(mount) | Self::ReadOnlySource(mount) => mount.destination.clone(),
            Self::NoTemporary(directory) => (*directory).to_owned(),
            // What was to become a directory needs a mount of its own.
            Self::ReadOnlyRoot if attempt.creates && attempt.changes_directory => path,
            Self::ReadOnlyRoot | Self::Mode(_) | Self::ClosedDirectory(..) => parent(&path).to_owned(),
        }
    }

    /// What is said of it.
    pub(super) fn says(&self, place: &str, config: &Config) -> String {
        match self {
            Self::ReadOnlyRoot => {
                "the root file system is read-only, and no writable mount lies over it".to_owned()
            }
            Self::ReadOnlyMount(_) => "it is mounted read-only".to_owned(),
            Self::ReadOnlySource(_) => {
                "the file system behind that mount is read-only, though the mount is not".to_owned()
            }
            Self::NoTemporary(_) => "the directory does not exist".to_owned(),
            Self::Mode(file) => {
                let whose = if file.path == place { "it".to_owned() } else { inert(&file.path).into_owned() };
                format!(
                    "{whose} has mode {:04o} and owner {}:{}, and the container runs as {}:{}",
                    file.mode, file.uid, file.gid, config.uid, config.gid
                )
            }
            Self::ClosedDirectory(directory, mode) => format!(
                "it lies below {} (mode {mode:04o}), which the container's user {}:{} may not search",
                inert(directory),
                config.uid,
                config.gid
            ),
        }
    }
}

fn read_only<'a>(config: &'a Config, path: &str) -> Option<Obstacle<'a>> {
    let Some(mount) = covering(config, path) else {
        return config.readonly_root.then_some(Obstacle::ReadOnlyRoot);
    };
    let is_read_only = mount.options.iter().any(|option| matches!(option.as_str(), "ro" | "rro"));
    match (is_read_only, mount.kind.as_str()) {
        (true, _) => Some(Obstacle::ReadOnlyMount(mount)),
        (false, "bind") => Some(Obstacle::ReadOnlySource(mount)),
        // A link may have led out of it.
        (false, _) => None,
    }
}

/// The mount that a path lies on, by its text; `None`: on the root file system.
pub(super) fn covering<'a>(config: &'a Config, path: &str) -> Option<&'a Mount> {
    let over = config.mounts.iter().filter(|mount| is_below(path, &mount.destination));
    // Of equally deep mounts the last is on top.
    over.max_by_key(|mount| mount.destination.trim_end_matches('/').len())
}

fn no_temporary<'a>(case: &'a Case, path: &str, attempt: Attempt<'_>) -> Option<Obstacle<'a>> {
    let directory =
        TEMPORARY.into_iter().find(|directory| is_below(path, directory) && path != *directory)?;
    let FileFact::Absent { missing, .. } = case.file(parent(attempt.path))? else { return None };
    // A directory below it that nobody made is the program's own affair.
    let is_all_missing = parent(path) == directory || is_below(directory, missing);
    (attempt.creates && is_all_missing).then_some(Obstacle::NoTemporary(directory))
}

fn forbidden<'a>(case: &'a Case, config: &Config, attempt: Attempt<'_>) -> Option<Obstacle<'a>> {
    let user = User::of(config);
    let directory = case.file(parent(attempt.path))?.present()?;
    let barred = |file: &'a File, bits| {
        let closed = file.closed_directory.as_ref();
        match closed {
            Some((directory, mode)) => Some(Obstacle::ClosedDirectory(directory, *mode)),
            None => (!user.may_access(file, bits)).then_some(Obstacle::Mode(file)),
        }
    };
    if attempt.changes_directory {
        return barred(directory, WRITE | EXECUTE);
    }
    match case.file(attempt.path)? {
        FileFact::Present(file) if file.kind == FileKind::Directory => None,
        FileFact::Present(file) => barred(file, WRITE),
        FileFact::Absent { .. } if attempt.creates => barred(directory, WRITE | EXECUTE),
        FileFact::Absent { .. } => None,
    }
}

/// It is `top` or lies below it.
pub(super) fn is_below(path: &str, top: &str) -> bool {
    let top = top.trim_end_matches('/');
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Without `.`, `..` and double slashes, as far as the text alone tells.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Mount { destination: destination.into(), kind: kind.into(), options, ..Mount::default() }
    }

    #[test]
    fn the_deepest_mount_over_a_path_says_whether_it_can_be_written() {
        let mounts = vec![
            mount("/data", "bind", &["rbind", "ro"]),
            mount("/data/cache", "tmpfs", &["nosuid"]),
            mount("/vol/", "bind", &["rbind"]),
        ];
        let config = Config { readonly_root: true, mounts, ..Config::default() };
        let name = |path: &str| read_only(&config, path).map(|obstacle| obstacle.name());
        assert_eq!(name("/data/x"), Some("read-only-mount"));
        assert_eq!(name("/database"), Some("read-only-root"));
        assert_eq!(name("/data/cache/x"), None, "nothing says why");
        assert!(matches!(read_only(&config, "/vol/x"), Some(Obstacle::ReadOnlySource(_))));
        let writable = Config { readonly_root: false, ..config };
        assert!(read_only(&writable, "/app/x").is_none());
    }

    #[test]
    fn a_path_is_read_as_the_kernel_would() {
        assert_eq!(normal("/a//./b/../c/"), "/a/c");
        assert_eq!(normal("/../.."), "/");
        assert!(is_below("/", "/") && is_below("/proc", "/proc/") && !is_below("/procs", "/proc"));
    }
}

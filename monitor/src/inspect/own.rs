//! Whether a library of a container is one that the host itself runs on: nothing is set in such a file, since all of the
//! host's programs would feel it. Looks only.

use std::{fs::File, io, os::fd::AsFd, path::Path};

use rustix::fs::{fstat, fstatfs};

use super::host::Host;

/// Where distributions keep the C library.
const DIRECTORIES: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
const NAMES: [&str; 5] =
    ["libc.so.6", "libdl.so.2", "libc.so", "ld-musl-x86_64.so.1", "ld-musl-aarch64.so.1"];
/// The first process of the host maps some hundred files.
const MAPS_LIMIT_BYTES: u64 = 1 << 20;
/// Include/uapi/linux/magic.h.
const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;

/// What tells a file from others. The device of an overlay is its own, the number of the inode and the times are those of
/// the file below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inode {
    device: Option<u64>,
    number: u64,
    size_bytes: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Inode {
    fn of(file: impl AsFd) -> io::Result<Self> {
        let (stat, system) = (fstat(&file)?, fstatfs(&file)?);
        // The type of the number differs between machines; the magic has 32 bits.
        let is_overlay = u64::try_from(system.f_type).is_ok_and(|kind| kind == OVERLAYFS_SUPER_MAGIC);
        Ok(Self {
            device: (!is_overlay).then_some(stat.st_dev),
            number: stat.st_ino,
            size_bytes: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    /// Where a device is not known the times decide: they change with every link.
    fn is(&self, other: &Self) -> bool {
        let devices = self.device.zip(other.device);
        devices.is_none_or(|(one, other)| one == other)
            && Self { device: None, ..*self } == Self { device: None, ..*other }
    }
}

/// The library is the host's own, however it came into the container: as a mount or as a link.
///
/// # Errors
/// When the library itself cannot be looked at.
pub fn is_hosts_own(host: &Host, library: &File) -> io::Result<bool> {
    let own = Inode::of(library)?;
    let is_it =
        |path: &Path| host.locate(path).is_ok_and(|file| Inode::of(&file).is_ok_and(|one| one.is(&own)));
    let in_its_place = DIRECTORIES.iter().any(|at| NAMES.iter().any(|name| is_it(&Path::new(at).join(name))));
    Ok(in_its_place || mapped(host).iter().any(|path| is_it(Path::new(path))))
}

/// The programs and libraries that the first process of the host executes, where gomon may know.
fn mapped(host: &Host) -> Vec<String> {
    let maps = host.read_of_process(1, "maps", MAPS_LIMIT_BYTES).unwrap_or_default();
    let mut paths: Vec<String> =
        String::from_utf8_lossy(&maps).lines().filter_map(executed).map(str::to_owned).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The path in a line of `/proc/PID/maps` that is executed, proc(5). Of a deleted file there is no path.
fn executed(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(' ')?;
    let is_executed = rest.split(' ').next()?.contains('x');
    let path = rest.get(rest.find('/')?..)?;
    (is_executed && !path.ends_with(" (deleted)")).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_library_is_the_hosts_own_by_any_name_and_a_copy_is_not() {
        let dir = tempfile::tempdir().unwrap();
        for at in ["usr/lib64", "rootfs/lib64"] {
            fs::create_dir_all(dir.path().join(at)).unwrap();
        }
        fs::write(dir.path().join("usr/lib64/libc-2.36.so"), "library").unwrap();
        symlink("libc-2.36.so", dir.path().join("usr/lib64/libc.so.6")).unwrap();
        let (host, inside) =
            (Host::new(dir.path(), Path::new("/none")).unwrap(), dir.path().join("rootfs/lib64"));
        fs::hard_link(dir.path().join("usr/lib64/libc-2.36.so"), inside.join("linked")).unwrap();
        fs::copy(dir.path().join("usr/lib64/libc-2.36.so"), inside.join("copied")).unwrap();
        let is_own = |name| is_hosts_own(&host, &File::open(inside.join(name)).unwrap()).unwrap();
        assert!(is_own("linked") && !is_own("copied"));
    }

    #[test]
    fn what_the_first_process_executes_is_told_by_its_paths() {
        let path = |line| executed(line);
        let line = "7f00-7f10 r-xp 00001000 fe:00 77     /usr/lib/lib with space.so";
        assert_eq!(path(line), Some("/usr/lib/lib with space.so"));
        assert_eq!(path("7f00-7f10 r--p 00001000 fe:00 77     /usr/lib/libc.so.6"), None);
        assert_eq!(path("7f00-7f10 r-xp 00001000 fe:00 77     /usr/lib/libc.so.6 (deleted)"), None);
        assert_eq!(path("7f00-7f10 r-xp 00000000 00:00 0      [vdso]"), None);
    }

    #[test]
    fn the_device_of_an_overlay_tells_nothing() {
        let of = |device, number| Inode { device, number, size_bytes: 1, modified: (1, 1), changed: (1, 1) };
        assert!(of(None, 7).is(&of(Some(1), 7)) && of(Some(1), 7).is(&of(None, 7)));
        assert!(!of(Some(1), 7).is(&of(Some(2), 7)) && !of(None, 7).is(&of(None, 8)));
    }
}

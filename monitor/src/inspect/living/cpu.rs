//! How often a container's CPU quota ran out: `cpu.stat` of the cgroup that has the quota, cgroups(7).

use std::{
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use super::super::{host::Host, mounts::unescape};
use crate::model::{fact::Known, living::CpuStat};

/// Processes that are asked for their cgroup: the first may have ended.
const MAX_ASKED: usize = 8;
/// A container's process is in its cgroup, or not far below.
const MAX_LEVELS: usize = 16;
const MOUNTS_LIMIT_BYTES: u64 = 8 << 20;
const FILE_LIMIT_BYTES: u64 = 4 << 10;

/// Both versions tell the same in other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inspect) enum Version {
    V1,
    V2,
}

/// Of the innermost cgroup with a quota around the container's oldest process.
pub(in crate::inspect) fn cpu(host: &Host, pids: &[u32]) -> Known<CpuStat> {
    look(host, pids).map_or_else(Known::Unknown, Known::Is)
}

fn look(host: &Host, pids: &[u32]) -> Result<CpuStat, String> {
    let mut pids = pids.to_vec();
    // The one that was there first stays in the same cgroup between two looks.
    pids.sort_unstable();
    let cgroups = pids.iter().take(MAX_ASKED).filter_map(|&pid| host.cgroups_of(pid).ok());
    let found: Vec<(Version, String)> = cgroups.filter_map(|cgroups| cgroup_in(&cgroups)).collect();
    // Where the first thread of a process has ended, it has left for the root.
    let inner = found.iter().find(|(_, cgroup)| cgroup != "/").or(found.first());
    let (version, cgroup) = inner.ok_or("no process of it is in a cgroup with a CPU controller")?;
    let mounts = host.read_of_own("mounts", MOUNTS_LIMIT_BYTES).map_err(|error| error.to_string())?;
    let mount =
        mount_in(&String::from_utf8_lossy(&mounts), *version).ok_or("no CPU controller is mounted")?;
    let relative = cgroup.strip_prefix('/').unwrap_or(cgroup);
    if !Path::new(relative).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("its cgroup {cgroup} is not below gomon's own"));
    }
    let directory = with_quota(&mount, relative, *version).ok_or("no cgroup around it has a CPU quota")?;
    let stat = read(&directory.join("cpu.stat")).map_err(|error| format!("cannot read cpu.stat: {error}"))?;
    parse(&stat).ok_or_else(|| "cpu.stat tells nothing of a quota".to_owned())
}

/// The cgroup of the CPU controller in the text of `/proc/PID/cgroup`: that of version 1 where it has the controller.
pub(in crate::inspect) fn cgroup_in(cgroups: &str) -> Option<(Version, String)> {
    // hierarchy:controllers:path
    let lines = || cgroups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let first = lines().find(|(controllers, _)| controllers.split(',').any(|one| one == "cpu"));
    let second = || lines().find(|(controllers, _)| controllers.is_empty());
    let first = first.map(|(_, path)| (Version::V1, path.to_owned()));
    first.or_else(|| second().map(|(_, path)| (Version::V2, path.to_owned())))
}

/// Where the hierarchy is mounted, in the text of `/proc/self/mounts`.
pub(in crate::inspect) fn mount_in(mounts: &str, version: Version) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let is_wanted = match version {
            Version::V1 => kind == "cgroup" && options.split(',').any(|option| option == "cpu"),
            Version::V2 => kind == "cgroup2",
        };
        is_wanted.then(|| PathBuf::from(unescape(path)))
    })
}

/// The innermost cgroup that has a quota.
fn with_quota(mount: &Path, cgroup: &str, version: Version) -> Option<PathBuf> {
    let below = |relative: &&Path| !relative.as_os_str().is_empty();
    let around = Path::new(cgroup).ancestors().take_while(below).take(MAX_LEVELS);
    around.map(|relative| mount.join(relative)).find(|directory| has_quota(directory, version))
}

fn has_quota(directory: &Path, version: Version) -> bool {
    let file = match version {
        Version::V1 => "cpu.cfs_quota_us",
        Version::V2 => "cpu.max",
    };
    // A cgroup to which no controller was handed down has no such file. -1 and max stand for none.
    let text = read(&directory.join(file)).unwrap_or_default();
    let quota = text.split_ascii_whitespace().next().and_then(|quota| quota.parse::<u64>().ok());
    quota.is_some_and(|quota_us| quota_us > 0)
}

pub(in crate::inspect) fn parse(stat: &str) -> Option<CpuStat> {
    let value = |wanted: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(' '));
        line?.trim().parse::<u64>().ok()
    };
    let nanoseconds = || value("throttled_time").map(|ns| ns / 1000);
    Some(CpuStat {
        periods: value("nr_periods")?,
        throttled: value("nr_throttled")?,
        throttled_us: value("throttled_usec").or_else(nanoseconds)?,
    })
}

/// These files are the kernel's: small, and without surprises.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

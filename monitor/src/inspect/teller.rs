//! What the processes beside a container tell about it: `runc` and `crun` while they start it, containerd's shim and
//! conmon while it runs. Reads their command lines, nothing else.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    aside,
    bundle::BundleDirectory,
    host::Host,
    process::Process,
    whereabouts::{directory, is_word},
};
use crate::{attribution, model::container::Runtime};

const STATUS_LIMIT_BYTES: u64 = 1 << 20;
const COMMAND_LINE_LIMIT_BYTES: u64 = 64 << 10;
/// Between a process of a container and what watches over the container there are seldom more.
const GENERATIONS: usize = 16;

/// A process that knows a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Teller {
    pub(super) pid: u32,
    /// Nobody knows of a process that is gone.
    pub(super) uid: Option<u32>,
    told: Told,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// This container, and no other. A bundle that was given by a relative path is unknown when the process is gone.
    One { id: String, bundle: Option<PathBuf>, tool: Runtime },
    /// A container of this pod: their bundles lie side by side.
    Neighbour { bundle: PathBuf },
}

impl Teller {
    /// The container itself, where its name in the path is all that is left of it.
    pub(super) fn container(&self, cgroup: &str) -> Option<BundleDirectory> {
        let Told::One { id, bundle, tool } = &self.told else { return None };
        let is_named = attribution::words(cgroup).iter().any(|(word, _)| word == id);
        is_named.then(|| directory(id, bundle.clone().unwrap_or_default(), *tool))
    }

    /// The bundles that the cgroup may be of.
    pub(super) fn bundles(&self, cgroup: &str) -> Vec<BundleDirectory> {
        match &self.told {
            Told::One { id, bundle, tool } => {
                bundle.iter().map(|bundle| directory(id, bundle.clone(), *tool)).collect()
            }
            Told::Neighbour { bundle } => {
                let Some(tasks) = bundle.parent() else { return Vec::new() };
                let words = attribution::words(cgroup).into_iter().filter(|(word, _)| is_word(word));
                words.map(|(word, _)| directory(word, tasks.join(word), Runtime::Containerd)).collect()
            }
        }
    }
}

/// The process that made a cgroup.
#[derive(Debug, Clone, Copy)]
pub struct Maker<'m> {
    pub pid: u32,
    pub comm: &'m str,
    /// Its arguments, of many the last ones; none where the kernel could not tell.
    pub command: &'m [String],
}

/// What the maker of a cgroup tells, where it is an OCI runtime at work. It may be gone already.
pub(super) fn of_maker(host: &Host, maker: Maker<'_>) -> Option<Teller> {
    let Some(first) = maker.command.first() else { return of_process(host, maker.pid) };
    let is_whole = tool(first.rsplit('/').next().unwrap_or_default()).is_some();
    let program = (!is_whole).then_some(maker.comm);
    let args: Vec<&str> = program.into_iter().chain(maker.command.iter().map(String::as_str)).collect();
    of_args(host, maker.pid, &args)
}

/// The ancestors of a container's process that know a container, the nearest first.
pub(super) fn above(host: &Host, pid: u32) -> impl Iterator<Item = Teller> + '_ {
    let parents = std::iter::successors(parent(host, pid), |pid| parent(host, *pid));
    parents.take(GENERATIONS).filter_map(|pid| of_process(host, pid))
}

/// The process itself, where it is an OCI runtime at work or watches over a container.
pub(super) fn of_process(host: &Host, pid: u32) -> Option<Teller> {
    let file = Process::open(host, pid).ok()?.file("cmdline").ok()?;
    let line = aside::read(file, COMMAND_LINE_LIMIT_BYTES)?;
    let line = String::from_utf8_lossy(&line);
    let args: Vec<&str> = line.split_terminator('\0').collect();
    of_args(host, pid, &args)
}

fn of_args(host: &Host, pid: u32, args: &[&str]) -> Option<Teller> {
    let process = Process::open(host, pid).ok();
    let told = of_command(args, || process.as_ref()?.link("cwd"))?;
    let uid = fs::metadata(host.process(&pid.to_string(), "")).ok().map(|process| process.uid());
    // Of a number that was given away meanwhile nothing is known.
    let uid = uid.filter(|_| process.is_some_and(|process| process.is_there()));
    Some(Teller { pid, uid, told })
}

pub(super) fn of_command(args: &[&str], cwd: impl Fn() -> Option<PathBuf>) -> Option<Told> {
    let (program, args) = args.split_first()?;
    let name = program.rsplit('/').next().unwrap_or_default();
    let value = |names: &[&str]| {
        args.iter().enumerate().find_map(|(at, arg)| match arg.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value),
            _ if names.contains(arg) => args.get(at + 1).copied(),
            _ => None,
        })
    };
    let bundle = |path: Option<&str>| match path.map(Path::new) {
        Some(path) if path.is_absolute() => Some(path.to_owned()),
        Some(path) => Some(cwd()?.join(path)),
        None => cwd(),
    };
    if name.starts_with("containerd-shim") {
        return Some(Told::Neighbour { bundle: bundle(None)? });
    }
    let (id, bundle, tool) = if name == "conmon" {
        (value(&["-c", "--cid"])?, bundle(Some(value(&["-b", "--bundle"])?)), Runtime::Podman)
    } else {
        let tool = tool(name)?;
        args.iter().find(|arg| matches!(**arg, "create" | "run" | "restore"))?;
        (*args.last()?, bundle(value(&["-b", "--bundle"])), tool)
    };
    is_word(id).then(|| Told::One { id: id.to_owned(), bundle, tool })
}

fn tool(name: &str) -> Option<Runtime> {
    let tools = [("runc", Runtime::Runc), ("crun", Runtime::Crun)];
    tools.into_iter().find_map(|(tool, runtime)| name.ends_with(tool).then_some(runtime))
}

fn parent(host: &Host, pid: u32) -> Option<u32> {
    // A process may give itself a name that is no text.
    let status = host.read_of_process(pid, "status", STATUS_LIMIT_BYTES).ok()?;
    let status = String::from_utf8_lossy(&status);
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    (parent > 1).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<Told> {
        let args: Vec<&str> = line.split(' ').collect();
        of_command(&args, || Some(PathBuf::from("/here")))
    }

    fn one(id: &str, bundle: &str, tool: Runtime) -> Told {
        Told::One { id: id.to_owned(), bundle: Some(PathBuf::from(bundle)), tool }
    }

    #[test]
    fn command_lines_of_runtimes_name_the_container_and_its_bundle() {
        let (runc, crun) = (Runtime::Runc, Runtime::Crun);
        for (line, expected) in [
            ("runc run web", Some(one("web", "/here", runc))),
            ("/usr/sbin/runc --root /x run -d --bundle /b web", Some(one("web", "/b", runc))),
            ("runc --systemd-cgroup create --bundle=sub web", Some(one("web", "/here/sub", runc))),
            (
                "runc --root /run/containerd/runc/default --log-format json create --bundle /t/default/redis --pid-file \
                 /t/init.pid redis",
                Some(one("redis", "/t/default/redis", runc)),
            ),
            (
                "/usr/bin/crun --root /run/user/1000/crun --log-format=json create --bundle /s/ab/userdata --pid-file /p ab",
                Some(one("ab", "/s/ab/userdata", crun)),
            ),
            (
                "/usr/bin/conmon --api-version 1 -c ab -u ab -r /usr/bin/crun -b /s/ab/userdata -p /p -n web",
                Some(one("ab", "/s/ab/userdata", Runtime::Podman)),
            ),
            (
                "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id ab -address /c.sock",
                Some(Told::Neighbour { bundle: PathBuf::from("/here") }),
            ),
            ("runc --root /x delete --force web", None),
            ("runc init", None),
            ("runc run ../web", None),
            ("/lib/systemd/systemd --user", None),
            ("bash -c runc", None),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
        assert_eq!(of_command(&[], || None), None);
    }

    #[test]
    fn a_process_whose_name_is_no_text_has_a_parent_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let process = directory.path().join("proc/7");
        fs::create_dir_all(&process).unwrap();
        fs::write(process.join("status"), b"Name:\t\xff) R 1\nPPid:\t42\n").unwrap();
        fs::write(process.join("cgroup"), b"0::/docker/\xff\n").unwrap();
        let host = Host::new(directory.path(), &directory.path().join("proc")).unwrap();
        assert_eq!(parent(&host, 7), Some(42));
        assert_eq!(host.cgroups_of(7).unwrap(), "0::/docker/\u{fffd}\n");
    }
}

//! Whose a cgroup is, and where the container's bundle lies: from the process that made the cgroup, from what watches
//! over the container, from the runtimes' directories. Runs beside the events without a
//! deadline: it reads a few files, and whoever keeps them can make it slow.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::fs::fstat;

use super::{
    bundle::{self, BundleDirectory},
    docker,
    held::Hold,
    host::Host,
    oci, states,
    teller::{self, Maker, Teller},
};
use crate::{
    attribution::{self, Proof, Question},
    model::container::{ContainerId, Runtime},
};

/// Where to look for a container.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    pub id: ContainerId,
    pub(super) bundle: Option<BundleDirectory>,
    /// The files as its runtime sees them, where that is in another mount namespace: in a container of its own, or as
    /// an ordinary user.
    pub(super) view: Option<Arc<Host>>,
    /// The path of its cgroup.
    pub(super) cgroup: String,
    pub(super) hold: Hold,
}

impl From<ContainerId> for Whereabouts {
    /// In the known places, by its id alone.
    fn from(id: ContainerId) -> Self {
        Self { id, bundle: None, view: None, cgroup: String::new(), hold: Hold::default() }
    }
}

impl Whereabouts {
    /// The files to look in.
    pub(super) fn files<'h>(&'h self, host: &'h Host) -> &'h Host {
        self.view.as_deref().unwrap_or(host)
    }

    /// Nobody will look: what was taken in hand for it goes.
    pub fn let_go(&self) {
        drop(self.hold.take());
    }

    /// The bundle, as soon as its runtime has written down where it is. `host` is what [`Self::files`] says.
    pub(super) fn bundle(&self, host: &Host) -> Option<BundleDirectory> {
        const WAIT: Duration = Duration::from_millis(500);
        const PAUSE: Duration = Duration::from_millis(5);
        let started = Instant::now();
        let find = || {
            let known = self.bundle.clone().filter(|known| has_config(host, known));
            let placed = known.or_else(|| host.bundles.find(host, &self.id));
            placed.or_else(|| states::find(host, &self.cgroup).filter(|found| has_config(host, found)))
        };
        // systemd makes a scope before runc has written anything down.
        let may_come = self.cgroup.strip_suffix(".scope").is_some() && !self.id.is_random();
        loop {
            let found = find();
            if found.is_some() || !may_come || started.elapsed() >= WAIT {
                return found.or_else(|| self.bundle.clone());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// A cgroup, and the processes that may tell about it.
#[derive(Debug, Clone, Copy)]
pub struct Cgroup<'c> {
    pub path: &'c str,
    pub question: &'c Question,
    /// The process that made it just now.
    pub maker: Option<Maker<'c>>,
    /// One that runs in it.
    pub member: Option<u32>,
    /// One that runs in the container around it.
    pub neighbour: Option<u32>,
}

/// Whose the cgroup is, as far as files vouch for it.
pub fn of_cgroup(host: &Host, cgroup: Cgroup<'_>) -> (Proof, Option<Whereabouts>) {
    let maker = cgroup.maker.and_then(|maker| teller::of_maker(host, maker));
    let watching = cgroup.member.into_iter().flat_map(|pid| teller::above(host, pid));
    for teller in maker.iter().cloned().chain(watching) {
        let view = view_beside(host, teller.pid, cgroup.neighbour);
        let files = view.as_ref().unwrap_or(host);
        let told = teller.bundles(cgroup.path).into_iter().find(|directory| is_of(files, directory, cgroup));
        if let Some(directory) = told {
            return judge(host, cgroup, directory, view, Some(&teller));
        }
    }
    let view = match cgroup.maker {
        Some(maker) => view_beside(host, maker.pid, cgroup.neighbour),
        None => cgroup.neighbour.and_then(|pid| view_of(host, pid).ok().flatten()),
    };
    if view.is_none() && cgroup.question.within.is_some() {
        // What a container keeps is not on the host.
        return (Proof::Nothing, None);
    }
    match placed(view.as_ref().unwrap_or(host), cgroup) {
        Some(directory) => judge(host, cgroup, directory, view, None),
        None => without_bundle(host, cgroup, maker.as_ref()),
    }
}

/// The bundle of the cgroup in the places that are known.
fn placed(files: &Host, cgroup: Cgroup<'_>) -> Option<BundleDirectory> {
    let words = attribution::words(cgroup.path);
    let mut bundles = words.iter().flat_map(|(word, _)| files.bundles.with_word(files, word));
    let fitting = bundles.find(|directory| is_of(files, directory, cgroup));
    fitting.or_else(|| states::find(files, cgroup.path))
}

/// Whether the container may have a cgroup here.
fn judge(
    host: &Host,
    cgroup: Cgroup<'_>,
    directory: BundleDirectory,
    view: Option<Host>,
    teller: Option<&Teller>,
) -> (Proof, Option<Whereabouts>) {
    let files = view.as_ref().unwrap_or(host);
    let owner = files.locate(&directory.path).ok().and_then(|fd| fstat(&fd).ok()).map(|stat| stat.st_uid);
    let by_root = teller.is_some_and(|teller| teller.uid == Some(0));
    let is_theirs = attribution::owner(cgroup.path)
        .is_none_or(|user| owner == Some(user) || (owner == Some(0) && by_root));
    // What a container calls the same as one of the host's is another.
    let is_taken = cgroup.question.within.is_some() && view.is_some() && is_on(host, &directory.id);
    if !is_theirs || is_taken {
        return (Proof::Imitation, None);
    }
    let id = directory.id.clone();
    // One that was there before has time.
    let hold = if cgroup.maker.is_some() { Hold::of(files, &directory) } else { Hold::default() };
    // Whoever looks closer does so on a thread of its own.
    let (view, cgroup) = (view.map(|view| Arc::new(view.patiently())), cgroup.path.to_owned());
    let found = Whereabouts { id: id.clone(), bundle: Some(directory), view, cgroup, hold };
    (Proof::Container(id), Some(found))
}

/// A container that was over before anybody looked is known by the command that made its cgroup. A user may give a cgroup
/// the name of a container of root's.
fn without_bundle(host: &Host, cgroup: Cgroup<'_>, maker: Option<&Teller>) -> (Proof, Option<Whereabouts>) {
    if attribution::owner(cgroup.path).is_some() {
        let is_taken = cgroup.question.named.as_ref().is_some_and(|id| is_on(host, id));
        return (if is_taken { Proof::Imitation } else { Proof::Nothing }, None);
    }
    let over = maker.filter(|maker| maker.uid.is_none() && cgroup.question.within.is_none());
    let Some(directory) = over.and_then(|maker| maker.container(cgroup.path)) else {
        return (Proof::Nothing, None);
    };
    let (id, cgroup) = (directory.id.clone(), cgroup.path.to_owned());
    let hold = Hold::default();
    let found = Whereabouts { id: id.clone(), bundle: Some(directory), view: None, cgroup, hold };
    (Proof::Container(id), Some(found))
}

/// The bundle is there and belongs to the cgroup: a random id in the path is enough, a word is not.
fn is_of(files: &Host, directory: &BundleDirectory, cgroup: Cgroup<'_>) -> bool {
    let is_named = || cgroup.question.named.as_ref() == Some(&directory.id);
    has_config(files, directory) && (is_named() || fits(files, directory, cgroup.path))
}

fn has_config(files: &Host, directory: &BundleDirectory) -> bool {
    bundle::has_config(files, &directory.path)
}

/// The bundle's own word for its cgroup is this path. Paths of a cgroup namespace, and of some hierarchies of v1, begin
/// deeper.
fn fits(files: &Host, directory: &BundleDirectory, path: &str) -> bool {
    oci::read(files, &directory.path)
        .is_ok_and(|bundle| fits_path(&bundle.cgroups_path, directory.id.plain(), path))
}

pub(super) fn fits_path(wanted: &str, id: &str, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let fields: Vec<&str> = wanted.split(':').collect();
    match fields.as_slice() {
        [""] => attribution::words(path).iter().any(|(word, _)| *word == id),
        [_slice, prefix, name] => {
            let scope =
                if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
            last == scope || last == wanted
        }
        _ => {
            let wanted = wanted.trim_start_matches('/');
            path.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        }
    }
}

/// The host has a container with this random id, alive or dead.
fn is_on(host: &Host, id: &ContainerId) -> bool {
    id.is_random() && (host.bundles.find(host, id).is_some() || docker::read(host, id, None).is_ok())
}

/// A process that has ended.
struct Gone;

/// The files as the process sees them; `None` where that is as the host does.
fn view_of(host: &Host, pid: u32) -> Result<Option<Host>, Gone> {
    let namespace = |process: &str| fs::metadata(host.process(process, "ns/mnt")).ok().map(|of| of.ino());
    let own = namespace(&pid.to_string()).ok_or(Gone)?;
    // Not every gomon may look at PID 1.
    let hosts = namespace("1").or_else(|| namespace("self"));
    if hosts.is_none_or(|hosts| hosts == own) {
        return Ok(None);
    }
    host.seen_from(pid, own).map(Some).ok_or(Gone)
}

/// The same; of one that is gone already as the container around it does, in which it most likely was.
fn view_beside(host: &Host, pid: u32, neighbour: Option<u32>) -> Option<Host> {
    view_of(host, pid).or_else(|Gone| neighbour.map_or(Ok(None), |pid| view_of(host, pid))).ok().flatten()
}

/// As `Whereabouts` of a bundle that some process named.
pub(super) fn directory(word: &str, path: PathBuf, tool: Runtime) -> BundleDirectory {
    BundleDirectory { id: bundle::qualified(word, &path), runtime: bundle::runtime_of(&path, tool), path }
}

/// Whether a word may be an id.
pub(super) fn is_word(word: &str) -> bool {
    bundle::is_plain(word)
}

#[cfg(test)]
mod tests;

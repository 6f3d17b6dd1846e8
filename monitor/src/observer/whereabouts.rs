//! Where to look for each container that is watched, and what it is called: forgotten a while after its end, when all
//! questions have been asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::{
    inspect::{Host, NameFile, Whereabouts, names},
    model::{
        container::{Identity, Run, Runtime},
        time::{BootNs, SECOND},
    },
};

/// A view into another mount namespace keeps what is mounted there from going: it is not held for longer than this.
const KEEP_NS: u64 = 10 * SECOND;
/// How often containers are looked at for new names.
const NAMES_NS: u64 = 5 * SECOND;

/// What is known of a run beside its events.
#[derive(Debug)]
struct Entry {
    at: Arc<Whereabouts>,
    identity: Option<Identity>,
    name_file: Option<NameFile>,
}

/// What a look at all names has found.
type Found = Vec<(Run, NameFile, Option<Identity>)>;

/// The whereabouts of all runs that are alive, or were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_run: HashMap<Run, Entry>,
    gone: VecDeque<(BootNs, Run)>,
    looking: Option<JoinHandle<Found>>,
    looked_at: BootNs,
}

impl Known {
    pub(super) fn know(&mut self, run: Run, at: Whereabouts) {
        self.by_run.insert(run, Entry { at: Arc::new(at), identity: None, name_file: None });
    }

    /// What it is called.
    pub(super) fn named(&mut self, run: &Run, identity: &Identity) {
        if let Some(entry) = self.by_run.get_mut(run) {
            entry.identity = Some(identity.clone());
        }
    }

    /// The run has ended.
    pub(super) fn gone(&mut self, run: Run, at: BootNs) {
        self.gone.push_back((at, run));
    }

    pub(super) fn forget(&mut self, now: BootNs) {
        while let Some((_, run)) = self.gone.pop_front_if(|(at, _)| now.since(*at) >= KEEP_NS) {
            self.by_run.remove(&run);
        }
    }

    /// Where to look; in the known places, by its id alone, if nothing told.
    pub(super) fn of(&self, run: &Run) -> Arc<Whereabouts> {
        let known = self.by_run.get(run).map(|entry| Arc::clone(&entry.at));
        known.unwrap_or_else(|| Arc::new(run.container.clone().into()))
    }

    /// Runs that have got another name since the last call. A thread of its own looks at the files, now and then.
    pub(super) fn renamed(&mut self, host: &Arc<Host>, now: BootNs) -> Vec<(Run, Identity)> {
        let found = self.looking.take_if(|looking| looking.is_finished());
        let found = found.and_then(|looking| looking.join().ok()).unwrap_or_default();
        let renamed = found.into_iter().filter_map(|(run, file, identity)| {
            let entry = self.by_run.get_mut(&run)?;
            entry.name_file = Some(file);
            // What files do not tell a socket may have told.
            let named = identity.filter(|new| !new.name.is_empty());
            let identity = named.filter(|new| entry.identity.as_ref().is_some_and(|old| old != new))?;
            entry.identity = Some(identity.clone());
            Some((run, identity))
        });
        let renamed = renamed.collect();
        if self.looking.is_none() && now.since(self.looked_at) >= NAMES_NS {
            self.looked_at = now;
            self.looking = self.look(host);
        }
        renamed
    }

    fn look(&self, host: &Arc<Host>) -> Option<JoinHandle<Found>> {
        let of = |(run, entry): (&Run, &Entry)| {
            let runtime = entry.identity.as_ref()?.runtime;
            let may_rename = matches!(runtime, Runtime::Docker | Runtime::Podman);
            may_rename.then(|| (run.clone(), Arc::clone(&entry.at), runtime, entry.name_file.clone()))
        };
        let all: Vec<_> = self.by_run.iter().filter_map(of).collect();
        if all.is_empty() {
            return None;
        }
        let host = Arc::clone(host);
        let look = move || {
            let each = all.into_iter().filter_map(|(run, at, runtime, before)| {
                let (file, identity) = names(&host, &at, runtime, before.as_ref())?;
                Some((run, file, identity))
            });
            each.collect()
        };
        thread::Builder::new().name("names".to_owned()).spawn(look).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container::{CgroupId, ContainerId};

    #[test]
    fn whereabouts_outlive_the_run_for_the_questions_that_are_on_their_way() {
        let run = Run { container: ContainerId("web".into()), cgroup: CgroupId(1) };
        let mut known = Known::default();
        known.know(run.clone(), ContainerId("known".into()).into());
        known.gone(run.clone(), BootNs(SECOND));
        known.forget(BootNs(2 * SECOND));
        assert_eq!(&*known.of(&run).id.0, "known");
        known.forget(BootNs(11 * SECOND));
        assert_eq!(&*known.of(&run).id.0, "web");
        assert!(known.by_run.is_empty() && known.gone.is_empty());
    }
}

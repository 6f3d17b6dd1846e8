//! Which container an event belongs to: cgroups come and go, are found and set aside. Decides nothing about failures.

use monitor_common::limits::CGROUP_PATH_BYTES;

use super::{Observer, inspections::Kind};
use crate::{
    attribution::{Placed, Proof, Question},
    inspect::{self, Maker, Whereabouts},
    kernel::load::HookState,
    model::{
        container::{CgroupId, Run},
        event::{Event, EventKind},
        observation::Observation,
        time::BootNs,
    },
};

impl Observer {
    pub(super) fn attribute(&mut self, event: Event) {
        match &event.kind {
            EventKind::CgroupMade { path, command, .. } => {
                // Of one whose path is not whole a walk finds out what it is, if anything happens in it.
                if is_whole(path) || self.attribution.is_below_container(path) {
                    let maker = Maker { pid: event.task.pid, comm: &event.task.comm, command };
                    self.place(event.cgroup, path, event.at, Some(maker));
                }
                self.tell(event);
            }
            EventKind::CgroupRemoved { .. } => {
                let (cgroup, at) = (event.cgroup, event.at);
                self.tell(event);
                self.end_floods(cgroup, at);
                if let Some(run) = self.attribution.remove(cgroup) {
                    self.vanish(run, at);
                }
            }
            EventKind::ExecFailed { .. }
            | EventKind::Exec { .. }
            | EventKind::Open { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Listening { .. }
            | EventKind::DlopenFailed { .. }
            | EventKind::Flooded { .. }
            | EventKind::Exit { .. } => self.happened(event),
        }
    }

    /// The event of a cgroup that is a container's; those of the host's cgroups are nobody's business.
    fn tell(&mut self, event: Event) {
        match self.attribution.run(event.cgroup).cloned() {
            Some(run) => self.queue.push_back(Observation::Happened { run, event }),
            None => self.totals.host_cgroups += 1,
        }
    }

    fn happened(&mut self, event: Event) {
        if self.exits.is_told(&event) {
            self.totals.repeated += 1;
            return;
        }
        if self.attribution.is_host(event.cgroup) {
            self.totals.of_host += 1;
            return;
        }
        let run = self.attribution.run(event.cgroup).cloned().or_else(|| self.search(event.cgroup, event.at));
        match run {
            Some(run) => {
                if let EventKind::Flooded { probe } = &event.kind {
                    self.flooded(&run, event.cgroup, probe);
                }
                self.queue.push_back(Observation::Happened { run, event });
            }
            None if self.only.is_none() => self.totals.unattributed += 1,
            None => {}
        }
    }

    pub(super) fn vanish(&mut self, run: Run, at: BootNs) {
        self.whereabouts.gone(run.clone(), at);
        self.dlopens.gone(&run, at);
        self.queue.push_back(Observation::Vanished { run, at });
    }

    /// Whose the cgroup is by the files and processes beside it. The process that made it is known at its birth. All events
    /// wait meanwhile: nothing is asked that may not answer.
    fn look(
        &self,
        path: &str,
        question: &Question,
        maker: Option<Maker<'_>>,
    ) -> (Proof, Option<Whereabouts>) {
        let first_of = |path: &str| self.hierarchy.processes(path).first().copied();
        let cgroup = inspect::Cgroup {
            path,
            question,
            maker,
            member: maker.is_none().then(|| first_of(path)).flatten(),
            neighbour: question.within.as_ref().and_then(|run| first_of(self.attribution.path(run)?)),
        };
        inspect::of_cgroup(&self.prompt, cgroup)
    }

    /// `maker` is the process that has made the cgroup just now.
    pub(super) fn place(&mut self, cgroup: CgroupId, path: &str, at: BootNs, maker: Option<Maker<'_>>) {
        let from_birth = maker.is_some();
        let question = self.attribution.question(cgroup, path);
        let (proof, found) =
            question.map_or((Proof::Nothing, None), |question| self.look(path, &question, maker));
        match self.attribution.place(cgroup, path, proof) {
            Placed::Host => {
                self.ignored.insert(cgroup);
            }
            // A walk of the tree came before the event of its birth.
            Placed::Inside(run) if run.cgroup == cgroup && from_birth && self.saw_births_at(at) => {
                self.queue.push_back(Observation::Appeared { run, at, from_birth });
            }
            Placed::Inside(_) => {}
            Placed::New { run, .. } if self.only.as_ref().is_some_and(|only| *only != run.container) => {
                self.attribution.remove(cgroup);
                self.ignored.insert(cgroup);
            }
            Placed::New { run, gone } => {
                if let Some(gone) = gone {
                    self.vanish(gone, at);
                }
                if let Some(found) = found {
                    self.whereabouts.know(run.clone(), found);
                }
                let from_birth = from_birth && self.saw_births_at(at);
                self.queue.push_back(Observation::Appeared { run: run.clone(), at, from_birth });
                let pid = self.hierarchy.processes(path).first().copied().filter(|_| !from_birth);
                self.inspect(run, pid.map_or(Kind::Birth, Kind::Live));
            }
        }
    }

    /// A birth seen with a probe off is none: what that probe would have told is missing.
    fn saw_births_at(&self, at: BootNs) -> bool {
        at >= self.attached_at && self.hooks.iter().all(HookState::is_attached)
    }
}

/// The kernel side cuts a long path off; the kernel itself leaves one empty that is too long for it.
fn is_whole(path: &str) -> bool {
    !path.is_empty() && path.len() < CGROUP_PATH_BYTES - 1
}

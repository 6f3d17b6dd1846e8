//! What a run keeps of a process that has ended: all that a pattern may still rest on, and no more.

use super::{Case, Departed, FailedVisit, Process};
use crate::model::event::Event;

impl Case {
    /// A process has ended: what says nothing any more is forgotten.
    pub(super) fn depart(&mut self, event: &Event) {
        let Some(process) = self.processes.get(&event.task.pid) else { return };
        let Some(exit) = process.exit else { return };
        let is_visit = exit.shell_code() != 0 && self.is_visit(process);
        let visit =
            FailedVisit { at: exit.at, code: exit.shell_code(), has_started: process.program.is_some() };
        self.surroundings.departed(Departed::of(process, exit));
        if is_visit {
            self.surroundings.visited(visit);
        }
        let Some(process) = self.processes.get(&event.task.pid) else { return };
        // Later a stage of the runtime that fails is a command from outside that could not be started.
        let is_failed_start = process.is_runtime_stage() && exit.code != 0 && self.executed.is_empty();
        let by_its_end = process.gave_up_before_main().filter(|_| process.is_notable_by_its_end_alone());
        let is_ordinary = by_its_end.is_some_and(|path| self.starts_for_certain(path));
        if !is_failed_start && (!process.is_notable() || is_ordinary && !self.is_init(process)) {
            self.processes.remove(&event.task.pid);
        }
    }

    /// The runtime's own stage of a command from outside, or the program that it became.
    fn is_visit(&self, process: &Process) -> bool {
        let is_stage = process.is_runtime_stage() && !self.executed.is_empty();
        let is_program = process.program.as_ref().is_some_and(|program| program.by_runtime);
        (is_stage || is_program) && !self.is_init(process)
    }

    /// Programs that looked as if their loader had given them up, and whose files say that it had no reason to.
    pub(super) fn forget_ordinary_ends(&mut self) {
        let is_ordinary = |process: &Process| {
            let path = process.gave_up_before_main().filter(|_| process.is_notable_by_its_end_alone());
            path.is_some_and(|path| self.starts_for_certain(path))
        };
        let ordinary: Vec<u32> = self
            .processes()
            .filter(|process| is_ordinary(process) && !self.is_init(process))
            .map(|p| p.pid)
            .collect();
        for pid in ordinary {
            self.processes.remove(&pid);
        }
    }

    /// The loader finds all that the program at `path` needs.
    fn starts_for_certain(&self, path: &str) -> bool {
        let Some(file) = self.file(path) else { return false };
        let Some(libraries) = file.present().and_then(|file| file.elf()).and_then(|elf| elf.libraries.get())
        else {
            return true;
        };
        libraries.unmet.is_empty() && libraries.unresolved.is_empty() && libraries.missing.is_empty()
    }
}

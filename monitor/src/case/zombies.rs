//! Which ended processes nobody has waited for yet, since when, and who started them. Pure.

use std::collections::BTreeMap;

use super::{Case, Departed};
use crate::model::{
    living::{ProcessStatus, ProcessTable},
    time::BootNs,
};

/// A process that has ended and whose parent has not waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zombie {
    /// When it ended; when it was first seen as one, where its end was not seen.
    pub since: BootNs,
    /// In the host's pid namespace, as the latest look had it.
    pub parent_pid: u32,
    pub name: String,
    /// Its end, if it was seen.
    pub departed: Option<Departed>,
}

impl Case {
    /// The zombies of a table, by pid; what was known of one that is still there stays known. As many as a table holds.
    pub(super) fn zombies_of(&self, at: BootNs, table: &ProcessTable) -> BTreeMap<u32, Zombie> {
        // PID 1 belongs to the runtime. A process whose end was not seen may have lost no more than its first thread.
        let lives_on = |pid: u32| self.process(pid).is_some_and(|process| process.exit.is_none());
        let ended = table.processes.iter().filter(|p| p.is_zombie && p.ns_pid != 1 && !lives_on(p.pid));
        let zombie = |status: &ProcessStatus| {
            let known = self.surroundings.zombies.get(&status.pid);
            let departed = self.surroundings.departure(status.pid).copied();
            // A later end under the same pid is that of another process.
            let known = known.filter(|known| departed.is_none_or(|departed| departed.at <= known.since));
            Zombie {
                since: known.map_or_else(|| departed.map_or(at, |departed| departed.at), |known| known.since),
                parent_pid: status.parent_pid,
                name: status.name.clone(),
                departed: known.and_then(|known| known.departed).or(departed),
            }
        };
        ended.map(|status| (status.pid, zombie(status))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        container::{CgroupId, ContainerId, Run},
        event::{Event, EventKind, Task},
        fact::{Fact, Known},
        observation::Host,
        time::SECOND,
    };

    fn at(seconds: u64) -> BootNs {
        BootNs(seconds * SECOND)
    }

    fn case() -> Case {
        let run = Run { container: ContainerId("ab".repeat(32).into()), cgroup: CgroupId(1) };
        Case::new(run, at(0), Host::default())
    }

    fn happens(case: &mut Case, seconds: u64, pid: u32, kind: EventKind) {
        let task = Task { pid, tid: pid, ns_pid: pid, comm: "git".into() };
        drop(case.happen(&Event { at: at(seconds), cgroup: CgroupId(1), task, kind }));
    }

    fn exit() -> EventKind {
        EventKind::Exit { code: 0, signal: None, core_dumped: false, parent_pid: 70 }
    }

    /// A look at which this process was a zombie.
    fn look(case: &mut Case, seconds: u64, pid: u32, ns_pid: u32) {
        let status =
            ProcessStatus { pid, ns_pid, parent_pid: 70, is_zombie: true, ..ProcessStatus::default() };
        let table = ProcessTable { processes: vec![status], left_out: 0 };
        case.learn(at(seconds), Fact::Processes(Known::Is(table)));
    }

    fn since(case: &Case) -> Vec<u64> {
        case.surroundings.zombies.values().map(|zombie| zombie.since.0 / SECOND).collect()
    }

    #[test]
    fn a_zombie_is_as_old_as_its_end_or_as_the_first_look_that_saw_it() {
        let mut seen = case();
        happens(&mut seen, 3, 90, exit());
        look(&mut seen, 14, 90, 9);
        look(&mut seen, 30, 90, 9);
        assert_eq!(since(&seen), [3]);
        let mut unseen = case();
        look(&mut unseen, 14, 90, 9);
        look(&mut unseen, 30, 90, 9);
        assert_eq!(since(&unseen), [14]);
    }

    #[test]
    fn another_process_under_the_same_pid_is_another_zombie() {
        let mut case = case();
        happens(&mut case, 3, 90, exit());
        look(&mut case, 14, 90, 9);
        happens(&mut case, 20, 90, exit());
        look(&mut case, 25, 90, 9);
        assert_eq!(since(&case), [20]);
    }

    #[test]
    fn a_process_that_lives_on_without_its_first_thread_and_pid_1_are_none() {
        let mut case = case();
        let exec = EventKind::Exec { path: "/x".into(), interpreter: "/x".into(), parent_pid: 70 };
        happens(&mut case, 3, 90, exec);
        look(&mut case, 14, 90, 9);
        assert!(since(&case).is_empty());
        look(&mut case, 20, 70, 1);
        assert!(since(&case).is_empty());
    }
}

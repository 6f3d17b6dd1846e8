//! What the kernel tells once for each of a process's threads: before Linux 6.16 two that end at the same time may both
//! be told as the last, and each that runs out of memory while the process dies is told as a victim.

use std::collections::VecDeque;

use crate::model::{
    event::{Event, EventKind},
    time::{BootNs, SECOND},
};

/// Ends that are remembered at once.
const MAX_EXITS: usize = 64;

/// Process, thread and time of the latest ends, and of the latest victims.
#[derive(Debug, Default)]
pub(super) struct Exits {
    ends: VecDeque<(u32, u32, BootNs)>,
    victims: VecDeque<(u32, BootNs)>,
}

impl Exits {
    /// The end of a process of which another thread has told it. The same number for another process has the same
    /// thread: a process that is over at once has but one.
    pub(super) fn is_told(&mut self, event: &Event) -> bool {
        if let EventKind::OomKill { victim, .. } = &event.kind {
            return self.is_known_victim(victim.pid, event.at);
        }
        if !matches!(event.kind, EventKind::Exit { .. }) {
            return false;
        }
        let (pid, tid, at) = (event.task.pid, event.task.tid, event.at);
        let is_told = |(other, thread, then): &(u32, u32, BootNs)| {
            *other == pid && *thread != tid && at.since(*then) < SECOND
        };
        if self.ends.iter().any(is_told) {
            return true;
        }
        if self.ends.len() >= MAX_EXITS {
            self.ends.pop_front();
        }
        self.ends.push_back((pid, tid, at));
        false
    }

    /// A process is killed once.
    fn is_known_victim(&mut self, pid: u32, at: BootNs) -> bool {
        if self.victims.iter().any(|(other, then)| *other == pid && at.since(*then) < SECOND) {
            return true;
        }
        if self.victims.len() >= MAX_EXITS {
            self.victims.pop_front();
        }
        self.victims.push_back((pid, at));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{container::CgroupId, event::Task};

    #[test]
    fn a_process_ends_once_whichever_thread_tells_it() {
        let end = |pid, tid, at| Event {
            at: BootNs(at),
            cgroup: CgroupId(1),
            task: Task { pid, tid, ..Task::default() },
            kind: EventKind::Exit { code: 0, signal: None, core_dumped: false, parent_pid: 1 },
        };
        let mut exits = Exits::default();
        assert!(!exits.is_told(&end(7, 7, 1)));
        assert!(exits.is_told(&end(7, 9, 2)));
        assert!(!exits.is_told(&end(8, 8, 2)));
        assert!(!exits.is_told(&end(7, 7, 3)), "the number was given to another process");
        assert!(!exits.is_told(&end(7, 9, 3 + SECOND)));
        for pid in 100..1_000 {
            exits.is_told(&end(pid, pid, 5));
        }
        assert!(exits.ends.len() <= MAX_EXITS);
    }

    #[test]
    fn a_process_is_a_victim_once_however_many_threads_ran_out_of_memory() {
        let victim = |pid, at| Event {
            at: BootNs(at),
            cgroup: CgroupId(1),
            task: Task::default(),
            kind: EventKind::OomKill {
                victim: Task { pid, tid: pid, ..Task::default() },
                anon_pages: None,
                file_pages: None,
                shmem_pages: None,
                limit_pages: None,
            },
        };
        let mut exits = Exits::default();
        assert!(!exits.is_told(&victim(7, 1)));
        assert!(exits.is_told(&victim(7, 2)));
        assert!(!exits.is_told(&victim(8, 2)));
        assert!(!exits.is_told(&victim(7, 2 + SECOND)));
    }
}

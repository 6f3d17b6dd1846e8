//! Processes that ended just now: before Linux 6.16 two threads that end at the same time may both be told as the last.

use std::collections::VecDeque;

use crate::model::{
    event::{Event, EventKind},
    time::{BootNs, SECOND},
};

/// Ends that are remembered at once.
const MAX_EXITS: usize = 64;

/// Process, thread and time of the latest ends.
#[derive(Debug, Default)]
pub(super) struct Exits(VecDeque<(u32, u32, BootNs)>);

impl Exits {
    /// The end of a process of which another thread has told it. The same number for another process has the same
    /// thread: a process that is over at once has but one.
    pub(super) fn is_told(&mut self, event: &Event) -> bool {
        if !matches!(event.kind, EventKind::Exit { .. }) {
            return false;
        }
        let (pid, tid, at) = (event.task.pid, event.task.tid, event.at);
        let is_told = |(other, thread, then): &(u32, u32, BootNs)| {
            *other == pid && *thread != tid && at.since(*then) < SECOND
        };
        if self.0.iter().any(is_told) {
            return true;
        }
        if self.0.len() >= MAX_EXITS {
            self.0.pop_front();
        }
        self.0.push_back((pid, tid, at));
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
        assert!(exits.0.len() <= MAX_EXITS);
    }
}

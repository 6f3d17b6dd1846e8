//! Which Go program ran in a container, also after its end: a shell may be PID 1 and the program below it.

use monitor_common::path::PathClass;

use super::{Case, Process};
use crate::model::{
    event::{Event, EventKind},
    time::BootNs,
};

/// A Go program that started in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoProgram {
    pub pid: u32,
    /// In its own pid namespace; 0 if unknown.
    pub ns_pid: u32,
    pub path: String,
    pub started_at: BootNs,
    pub ended_at: Option<BootNs>,
}

impl Case {
    /// The Go program that runs at that time, other than one that somebody started from outside.
    pub fn go_program_at(&self, at: BootNs) -> Option<&GoProgram> {
        self.go_program
            .as_ref()
            .filter(|go| go.started_at <= at && go.ended_at.is_none_or(|ended_at| ended_at >= at))
    }

    /// Go's runtime runs in it. Of one that gomon did not see start only the container's first process is known.
    pub fn is_go(&self, process: &Process) -> bool {
        let is_known_by_file = process.program.is_none() && self.is_init(process) && self.go().is_some();
        process.go_started.is_some() || is_known_by_file
    }

    /// Where the toolchain has time-zone data of its own: a program that was built in the same image finds it there.
    pub fn zone_archive(&self) -> String {
        let named = self.config.get().and_then(|config| config.env.get("GOROOT"));
        let root = named.map_or("/usr/local/go", |root| root.trim_end_matches('/'));
        format!("{root}/lib/time/zoneinfo.zip")
    }

    pub(super) fn follow_go(&mut self, event: &Event) {
        let pid = event.task.pid;
        match &event.kind {
            EventKind::Open { class: PathClass::GoRuntimeStart, .. } => self.go_started(event),
            // It handed over to another program, which may be Go again.
            EventKind::Exec { .. } => drop(self.go_program.take_if(|go| go.pid == pid)),
            EventKind::Exit { .. } => {
                if let Some(go) = self.go_program.as_mut().filter(|go| go.pid == pid) {
                    go.ended_at = go.ended_at.or(Some(event.at));
                }
            }
            EventKind::Open { .. }
            | EventKind::ExecFailed { .. }
            | EventKind::OomKill { .. }
            | EventKind::SignalSent { .. }
            | EventKind::SignalDelivered { .. }
            | EventKind::TlsRefused { .. }
            | EventKind::SyscallRefused { .. }
            | EventKind::Listening { .. }
            | EventKind::DlopenFailed { .. }
            | EventKind::Flooded { .. }
            | EventKind::CgroupMade { .. }
            | EventKind::CgroupRemoved { .. } => {}
        }
    }

    /// One that runs is not given up for a newer one: helpers come and go beside it.
    fn go_started(&mut self, event: &Event) {
        let Some(process) = self.processes.get(&event.task.pid) else { return };
        let Some(program) = &process.program else { return };
        let is_from_outside = program.by_runtime && !self.is_init(process);
        let is_taken = self.go_program.as_ref().is_some_and(|go| go.ended_at.is_none());
        if is_from_outside || is_taken {
            return;
        }
        self.go_program = Some(GoProgram {
            pid: process.pid,
            ns_pid: process.ns_pid,
            path: program.path.clone(),
            started_at: event.at,
            ended_at: None,
        });
    }
}

//! Holds programs to tracepoints through perf events, and lets go of many at once.

use std::{io, thread};

use aya::programs::{
    ProgramError, TracePoint,
    trace_point::{TracePointError, TracePointLink},
};
use monitor_common::refused::Watched;

/// The category of the tracepoints around system calls.
const SYSCALLS: &str = "syscalls";

/// What keeps programs attached.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<TracePointLink>);

impl Links {
    pub(super) fn attach(
        &mut self,
        program: &mut TracePoint,
        category: &str,
        tracepoint: &str,
    ) -> Result<(), ProgramError> {
        let link = program.attach(category, tracepoint)?;
        self.0.push(program.take_link(link)?);
        Ok(())
    }

    /// Attaches behind each of these calls that the kernel has; an error where it has none of them.
    pub(super) fn attach_behind(
        &mut self,
        program: &mut TracePoint,
        calls: &[Watched],
    ) -> Result<(), ProgramError> {
        let mut absent = None;
        let before = self.0.len();
        for call in calls {
            match self.attach(program, SYSCALLS, &format!("sys_exit_{}", call.tracepoint())) {
                Err(error) if is_absent(&error) => absent = Some(error),
                attached => attached?,
            }
        }
        absent.filter(|_| self.0.len() == before).map_or(Ok(()), Err)
    }
}

/// The kernel has no such tracepoint.
fn is_absent(error: &ProgramError) -> bool {
    let ProgramError::TracePointError(TracePointError::FileError { io_error, .. }) = error else {
        return false;
    };
    io_error.kind() == io::ErrorKind::NotFound
}

impl Drop for Links {
    /// To let go of one takes two waits until every CPU and task has passed a quiet point, some 40 ms each. The first
    /// can be shared by all that wait for it; the second the kernel lets only one do at a time.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for link in self.0.drain(..) {
                scope.spawn(move || drop(link));
            }
        });
    }
}

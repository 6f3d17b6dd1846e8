//! Sees to it that failing calls of dlopen(3) are seen of the containers whose programs make any. Decides nothing about them.

use std::{fs::File, sync::Arc};

use crate::{
    inspect::{self, DlopenCalls, DlopenFunction, Host},
    kernel::uprobes::{Spot, Uprobes},
    model::{container::Run, fact::Known, time::BootNs},
};

/// Shared by all inspections: each sets the breakpoints of its container itself, as early as it knows where.
#[derive(Debug, Clone)]
pub(super) struct Dlopens {
    uprobes: Arc<Result<Uprobes, String>>,
    host: Arc<Host>,
}

impl Dlopens {
    /// The error says why no calls can be watched.
    pub(super) fn new(uprobes: Result<Uprobes, String>, host: Arc<Host>) -> Self {
        Self { uprobes: Arc::new(uprobes), host }
    }

    /// Until they are attached.
    pub(super) fn not_yet(host: Arc<Host>) -> Self {
        Self::new(Err("not yet".to_owned()), host)
    }

    /// Failing calls of this run's program are seen from now on. Blocks for some milliseconds.
    pub(super) fn watch(&self, run: &Run, DlopenCalls { library, functions }: DlopenCalls) -> Known<bool> {
        let watched = self.uprobes.as_ref().as_ref().map_err(Clone::clone);
        let watched = watched.and_then(|uprobes| {
            self.leaves_the_host_alone(&library)?;
            uprobes.watch(run, &library, &spots(&functions))
        });
        watched.map_or_else(Known::Unknown, |()| {
            tracing::debug!(container = run.container.short(), "its calls of dlopen are watched");
            Known::Is(true)
        })
    }

    /// A container may have been given the host's own library: every program of the host would run into the breakpoints.
    fn leaves_the_host_alone(&self, library: &File) -> Result<(), String> {
        match inspect::is_hosts_own(&self.host, library) {
            Ok(false) => Ok(()),
            Ok(true) => {
                Err("its C library is a file of the host's own, in which gomon sets nothing".to_owned())
            }
            Err(error) => Err(format!("its C library cannot be identified: {error}")),
        }
    }

    pub(super) fn gone(&self, run: &Run, at: BootNs) {
        if let Ok(uprobes) = self.uprobes.as_ref() {
            uprobes.gone(run, at);
        }
    }

    pub(super) fn forget(&self, now: BootNs) {
        if let Ok(uprobes) = self.uprobes.as_ref() {
            uprobes.forget(now);
        }
    }
}

/// The first instructions before the last ones: whose return is seen, its call was.
fn spots(functions: &[DlopenFunction]) -> Vec<Spot> {
    let called = functions.iter().map(|function| Spot {
        program: if function.has_namespace { "dlmopen_called" } else { "dlopen_called" },
        offset: function.first_instruction,
    });
    let returns = functions.iter().flat_map(|function| &function.returns);
    called.chain(returns.map(|offset| Spot { program: "dlopen_returns", offset: *offset })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::hooks::DLOPEN_PROGRAMS;

    #[test]
    fn each_instruction_gets_a_program_that_there_is() {
        let function = |has_namespace, first_instruction| DlopenFunction {
            has_namespace,
            first_instruction,
            returns: vec![first_instruction + 8, first_instruction + 9],
        };
        let spots = spots(&[function(false, 100), function(true, 200)]);
        assert!(spots.iter().all(|spot| DLOPEN_PROGRAMS.iter().any(|program| program.name == spot.program)));
        let of = |program| -> Vec<u64> {
            spots.iter().filter(|spot| spot.program == program).map(|spot| spot.offset).collect()
        };
        assert_eq!((of("dlopen_called"), of("dlmopen_called")), (vec![100], vec![200]));
        assert_eq!(of("dlopen_returns"), [108, 109, 208, 209]);
    }
}

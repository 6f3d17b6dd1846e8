//! Sees to it that failing calls of dlopen(3) are seen of the containers whose programs make any. Decides nothing about them.

use std::sync::Arc;

use crate::{
    inspect::{DlopenCalls, DlopenFunction},
    kernel::uprobes::{Spot, Uprobes},
    model::{container::Run, fact::Known, time::BootNs},
};

/// Shared by all inspections: each sets the breakpoints of its container itself, as early as it knows where.
#[derive(Debug, Clone)]
pub(super) struct Dlopens(Arc<Result<Uprobes, String>>);

impl Default for Dlopens {
    fn default() -> Self {
        Self::new(Err("not yet".to_owned()))
    }
}

impl Dlopens {
    /// The error says why no calls can be watched.
    pub(super) fn new(uprobes: Result<Uprobes, String>) -> Self {
        Self(Arc::new(uprobes))
    }

    /// Failing calls of this run's program are seen from now on. Blocks for some milliseconds.
    pub(super) fn watch(&self, run: &Run, DlopenCalls { library, functions }: DlopenCalls) -> Known<bool> {
        let watched = self.0.as_ref().as_ref().map_err(Clone::clone);
        let watched = watched.and_then(|uprobes| uprobes.watch(run, &library, &spots(&functions)));
        watched.map_or_else(Known::Unknown, |()| {
            tracing::debug!(container = run.container.short(), "its calls of dlopen are watched");
            Known::Is(true)
        })
    }

    pub(super) fn gone(&self, run: &Run, at: BootNs) {
        if let Ok(uprobes) = self.0.as_ref() {
            uprobes.gone(run, at);
        }
    }

    pub(super) fn forget(&self, now: BootNs) {
        if let Ok(uprobes) = self.0.as_ref() {
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

//! Breakpoints in files of containers: sets them, lets containers share them, and removes them when nobody needs them.
//! Where in a file they belong, others have found out.

mod breakpoint;
mod shares;

use std::{
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError, mpsc},
    thread,
};

use aya::{Btf, Ebpf};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{
    breakpoint::Pmu,
    shares::{FileId, Shares, Slot},
};
use super::{
    hooks::{DLOPEN_PROGRAMS, ON_DEMAND},
    load::{self, HookState, Outcome},
};
use crate::model::{container::Run, time::BootNs};

/// Files with breakpoints at once. The kernel takes 85 ms to remove one breakpoint, also when the agent ends.
const MAX_FILES: usize = 128;

/// A program of the object, and the offset of the instruction in the file at which it shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    pub program: &'static str,
    pub offset: u64,
}

/// The breakpoints in all files.
#[derive(Debug)]
pub struct Uprobes {
    programs: Vec<(&'static str, OwnedFd)>,
    pmu: Pmu,
    shares: Mutex<Shares<Breakpoints>>,
    room: Arc<Semaphore>,
    /// To a thread that takes its time.
    leaving: mpsc::Sender<Slot<Breakpoints>>,
    /// What waits for that thread. It begins late: it has the privileges of the thread that starts it.
    left: Mutex<Option<mpsc::Receiver<Slot<Breakpoints>>>>,
    begun: Once,
}

/// Those of one file. To drop them takes long.
#[derive(Debug)]
struct Breakpoints {
    _set: Vec<OwnedFd>,
    _room: OwnedSemaphorePermit,
}

/// Loads the programs of the hooks on demand and tries one out; where that fails the hooks are off.
pub fn load(ebpf: &mut Ebpf, btf: &Btf) -> (Vec<HookState>, Result<Uprobes, String>) {
    let mut states: Vec<HookState> =
        ON_DEMAND.iter().map(|hook| load::attach(ebpf, btf, hook, None)).collect();
    let blind = states.iter().find_map(|state| match &state.outcome {
        Outcome::Attached(_) => None,
        Outcome::Blind(why) => Some(why.clone()),
    });
    let uprobes = match blind {
        Some(why) => Err(why),
        None => Uprobes::open(ebpf),
    };
    if let Err(why) = &uprobes {
        for state in &mut states {
            state.outcome = Outcome::Blind(why.clone());
        }
    }
    (states, uprobes)
}

impl Uprobes {
    /// The programs are loaded.
    fn open(ebpf: &Ebpf) -> Result<Self, String> {
        let fd = |name| {
            let program = ebpf.program(name)?.fd().ok()?;
            Some((name, program.as_fd().try_clone_to_owned().ok()?))
        };
        let programs: Option<Vec<_>> = DLOPEN_PROGRAMS.iter().map(|program| fd(program.name)).collect();
        let pmu = Pmu::of_uprobes().map_err(|error| format!("the kernel offers no uprobes: {error}"))?;
        let (leaving, left) = mpsc::channel::<Slot<Breakpoints>>();
        let uprobes = Self {
            programs: programs.ok_or("their programs cannot be had")?,
            pmu,
            shares: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_FILES)),
            leaving,
            left: Mutex::new(Some(left)),
            begun: Once::new(),
        };
        uprobes.try_out()?;
        Ok(uprobes)
    }

    /// Whether this process may set breakpoints: one in a file of its own, which nobody executes.
    fn try_out(&self) -> Result<(), String> {
        let own = memfd_create("gomon", MemfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
        ftruncate(&own, 4096).map_err(|error| error.to_string())?;
        let spots = self.programs.iter().map(|(program, _)| Spot { program, offset: 0 }).take(1);
        let set = self.set(&own.into(), &spots.collect::<Vec<_>>())?;
        self.let_go([Slot::new(Mutex::new(Some(set)))]);
        Ok(())
    }

    /// Breakpoints at these spots of `file` from now on, until [`Self::gone`] says that `run` has ended. Takes up to
    /// 100 ms; the error says what the kernel refused.
    pub fn watch(&self, run: &Run, file: &File, spots: &[Spot]) -> Result<(), String> {
        let id = FileId::of(file).map_err(|error| format!("its C library cannot be identified: {error}"))?;
        let slot = self.shares().take_part(run, id);
        // Others that need the same file wait here until it is settled.
        let mut breakpoints = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if breakpoints.is_none() {
            *breakpoints = Some(self.set(file, spots)?);
        }
        Ok(())
    }

    /// All of them or none.
    fn set(&self, file: &File, spots: &[Spot]) -> Result<Breakpoints, String> {
        let room = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| format!("gomon looks into {MAX_FILES} files of other containers already"))?;
        let each = spots.iter().map(|Spot { program, offset }| {
            let (_, program) = self.programs.iter().find(|(name, _)| name == program)?;
            Some(self.pmu.set(program.as_fd(), file.as_fd(), *offset))
        });
        let set: Result<Vec<_>, _> = each.flatten().collect();
        let set = set.map_err(|error| format!("the kernel refuses a uprobe: {error}"))?;
        Ok(Breakpoints { _set: set, _room: room })
    }

    /// A run has ended. The breakpoints that it alone needed stay for a moment: a container that fails at once is often
    /// started again.
    pub fn gone(&self, run: &Run, at: BootNs) {
        self.shares().gone(run, at);
    }

    /// Removes the breakpoints that nobody has needed for a while. Does not wait for it.
    pub fn forget(&self, now: BootNs) {
        self.begun.call_once(|| self.begin());
        let unused = self.shares().unused(now);
        self.let_go(unused);
    }

    fn begin(&self) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let remove = move || left.into_iter().flatten().for_each(drop);
        if let Err(error) = thread::Builder::new().name("uprobes".to_owned()).spawn(remove) {
            // Those that nobody needs stay, and at some time there is no room for others.
            tracing::warn!(%error, "no thread for removing uprobes");
        }
    }

    fn let_go(&self, slots: impl IntoIterator<Item = Slot<Breakpoints>>) {
        for slot in slots {
            // The thread ends only when gomon does.
            drop(self.leaving.send(slot));
        }
    }

    /// A panic elsewhere leaves a list that is whole.
    fn shares(&self) -> MutexGuard<'_, Shares<Breakpoints>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

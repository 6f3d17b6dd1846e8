//! What was learned of a container beside its own program: image, certificates, processes, CPU, and who has ended in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Case, ExitSeen, Process,
    throttling::{self, Throttling},
    trust::TrustRead,
    zombies::Zombie,
};
use crate::model::{
    fact::{Fact, Known, Want},
    image::ImageConfig,
    living::{CpuStat, ProcessTable},
    pem::Pem,
    time::BootNs,
};

/// Files with certificates that one run remembers.
pub(super) const MAX_PEMS: usize = 16;
/// Programs whose packages one run remembers.
pub(super) const MAX_LINKED: usize = 8;
/// Looks at the CPU quota that are remembered: their first and last tell the share of a while.
const MAX_CPU_LOOKS: usize = 7;
/// Ended processes that are remembered for the case that nobody waits for them.
const MAX_DEPARTED: usize = 64;
/// Failed commands from outside that are remembered.
const MAX_VISITS: usize = 16;

/// Facts about the surroundings of one run.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    pub image: Known<ImageConfig>,
    pub pems: BTreeMap<String, Known<Pem>>,
    /// By the path of the program.
    pub linked: BTreeMap<String, Known<BTreeSet<String>>>,
    /// The last two looks at its processes, each with its time.
    pub tables: VecDeque<(BootNs, ProcessTable)>,
    /// Why the latest look at them failed.
    pub no_table: Option<String>,
    /// By pid: those of the latest table that nobody has waited for.
    pub zombies: BTreeMap<u32, Zombie>,
    /// The latest looks at its CPU quota.
    pub cpu: VecDeque<(BootNs, CpuStat)>,
    /// Why the latest look at it failed.
    pub no_cpu: Option<String>,
    /// The quota runs out all the time.
    pub throttling: Option<Throttling>,
    /// `None`: nobody said anything about it.
    pub dlopen_watched: Option<Known<bool>>,
    /// The latest commands from outside that ended in failure.
    pub failed_visits: VecDeque<FailedVisit>,
    /// What Go programs of the container may have read root certificates from, the first time each.
    pub trust_reads: Vec<TrustRead>,
    /// The latest processes that ended.
    departed: VecDeque<Departed>,
}

/// A command that somebody ran in the container from outside (`docker exec`, a health check), and that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedVisit {
    pub at: BootNs,
    /// As a shell shows it.
    pub code: i32,
    /// A program was executed; otherwise the runtime gave up before.
    pub has_started: bool,
}

/// A process that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departed {
    pub pid: u32,
    pub at: BootNs,
    /// Who started it, as far as it executed anything; 0 if unknown.
    pub started_by: u32,
    /// Its parent when it ended.
    pub parent_pid: u32,
}

impl Departed {
    pub(super) fn of(process: &Process, exit: ExitSeen) -> Self {
        let started_by = process.program.as_ref().map_or(0, |program| program.parent_pid);
        Self { pid: process.pid, at: exit.at, started_by, parent_pid: process.parent_pid }
    }
}

impl Surroundings {
    /// Takes a fact; the question that it answers.
    pub(super) fn learn(&mut self, at: BootNs, fact: Fact) -> Option<Want> {
        match fact {
            Fact::Image(image) => self.image = image,
            Fact::Pem { path, pem } => {
                if self.pems.len() < MAX_PEMS || self.pems.contains_key(&path) {
                    self.pems.insert(path.clone(), pem);
                }
                return Some(Want::Pem(path));
            }
            Fact::Linked { path, packages } => {
                if self.linked.len() < MAX_LINKED || self.linked.contains_key(&path) {
                    self.linked.insert(path.clone(), packages);
                }
                return Some(Want::Linked(path));
            }
            Fact::Cpu(stat) => {
                self.looked_at_cpu(at, stat);
                return Some(Want::Cpu);
            }
            Fact::DlopenWatched(watched) => self.dlopen_watched = Some(watched),
            Fact::Identity(_)
            | Fact::Config(_)
            | Fact::Entrypoint(_)
            | Fact::File { .. }
            | Fact::Libc(_)
            | Fact::TrustStore(_)
            | Fact::Passwd(_)
            | Fact::RuntimeState(_)
            | Fact::Processes(_) => {}
        }
        None
    }

    /// Looks at the CPU quota tell of a span of time: it begins anew.
    pub(super) fn slept(&mut self) {
        self.cpu.clear();
    }

    fn looked_at_cpu(&mut self, at: BootNs, stat: Known<CpuStat>) {
        match stat {
            Known::Is(stat) => {
                if self.cpu.len() >= MAX_CPU_LOOKS {
                    self.cpu.pop_front();
                }
                self.cpu.push_back((at, stat));
                self.throttling = throttling::follow(self.throttling, &self.cpu);
                self.no_cpu = None;
            }
            Known::Unknown(why) => self.no_cpu = Some(why),
        }
    }

    pub(super) fn departed(&mut self, departed: Departed) {
        if self.departed.len() >= MAX_DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(departed);
    }

    pub(super) fn visited(&mut self, visit: FailedVisit) {
        if self.failed_visits.len() >= MAX_VISITS {
            self.failed_visits.pop_front();
        }
        self.failed_visits.push_back(visit);
    }

    /// The last process with this number that ended.
    pub fn departure(&self, pid: u32) -> Option<&Departed> {
        self.departed.iter().rfind(|departed| departed.pid == pid)
    }

    /// The latest look at the processes.
    pub fn table(&self) -> Option<&(BootNs, ProcessTable)> {
        self.tables.back()
    }
}

impl Case {
    /// Why nobody could look at the processes; of a container that has ended there is nothing left to look at.
    pub fn missed_processes(&self) -> Option<&String> {
        self.surroundings.no_table.as_ref().filter(|_| self.is_running())
    }

    /// Why nobody could look at the use of the CPU quota.
    pub fn missed_cpu(&self) -> Option<&String> {
        self.surroundings.no_cpu.as_ref().filter(|_| self.is_running())
    }

    fn is_running(&self) -> bool {
        self.vanished_at.is_none() && self.init().is_none_or(|init| init.exit.is_none())
    }

    /// Which of the two packages of interest the program at `path` contains, if that was looked at.
    pub fn is_linked(&self, path: &str, package: &str) -> Option<bool> {
        Some(self.surroundings.linked.get(path)?.get()?.contains(package))
    }

    /// The absolute path of a file as the container's own command would mean it.
    pub fn absolute(&self, path: &str) -> String {
        let cwd = self.config.get().map_or("/", |config| config.cwd.as_str());
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", cwd.trim_end_matches('/')) }
    }
}

//! Reads the kernel side's counters, its costs and its map sizes.

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, PerCpuArray},
};
use monitor_common::probe::{PROGRAMS, Probe, TALLIES, Tally, counter_index};

use crate::model::container::CgroupId;

/// The per-CPU counters, summed.
pub struct Counters(PerCpuArray<MapData, [u64; TALLIES]>);

impl Counters {
    /// `None` where the object has no such map.
    pub fn open(ebpf: &mut Ebpf) -> Option<Self> {
        PerCpuArray::try_from(ebpf.take_map("COUNTERS")?).ok().map(Self)
    }

    /// All tallies of a probe in the order of their numbers, over all programs and CPUs; 0 where the kernel does not
    /// answer.
    pub fn of(&self, probe: Probe) -> [u64; TALLIES] {
        let mut sums = [0; TALLIES];
        for program in 0..PROGRAMS {
            let Ok(of_cpus) = self.0.get(&counter_index(probe, program), 0) else { continue };
            for of_cpu in of_cpus.iter() {
                for (sum, value) in sums.iter_mut().zip(of_cpu) {
                    *sum += value;
                }
            }
        }
        sums
    }
}

/// What became of a probe's events; see [`Tally::LOSSES`].
pub fn tally(of_probe: &[u64; TALLIES], tally: Tally) -> u64 {
    of_probe.get(tally as usize).copied().unwrap_or(0)
}

/// What each cgroup has used of its budgets.
pub struct Budgets(HashMap<MapData, [u64; 2], [u64; 4]>);

impl Budgets {
    /// `None` where the object has no such map.
    pub fn open(ebpf: &mut Ebpf) -> Option<Self> {
        HashMap::try_from(ebpf.take_map("BUDGETS")?).ok().map(Self)
    }

    /// Events of a cgroup and probe that were kept back, in both lanes.
    pub fn kept_back(&self, cgroup: CgroupId, probe: Probe) -> u64 {
        let of_lane = |lane| self.0.get(&[cgroup.0, u64::from(probe as u32) << 1 | lane], 0).ok();
        [0, 1].into_iter().filter_map(of_lane).map(|[_window, _used, _told, kept_back]| kept_back).sum()
    }
}

/// The cgroups that the kernel side leaves alone.
pub struct Ignored {
    cgroups: HashMap<MapData, u64, u8>,
    /// Changes with them: the kernel side remembers decisions.
    generations: Array<MapData, u64>,
}

impl Ignored {
    /// `None` where the object has no such map.
    pub fn open(ebpf: &mut Ebpf) -> Option<Self> {
        let cgroups = HashMap::try_from(ebpf.take_map("IGNORED_CGROUPS")?).ok()?;
        let generations = Array::try_from(ebpf.take_map("GENERATIONS")?).ok()?;
        Some(Self { cgroups, generations })
    }

    /// Cgroups set aside now.
    pub fn len(&self) -> u64 {
        self.cgroups.keys().flatten().count() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events of this cgroup stay in the kernel from now on. False where the map is full: the cgroup stays
    /// watched, which costs more and loses nothing.
    pub fn insert(&mut self, cgroup: CgroupId) -> bool {
        let has_room = self.cgroups.insert(cgroup.0, 1, 0).is_ok();
        let generation = self.generations.get(&0, 0).unwrap_or(0);
        has_room && self.generations.set(0, generation.wrapping_add(1), 0).is_ok()
    }
}

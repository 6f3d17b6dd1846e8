//! Reads the kernel side's counters, its costs and its map sizes.

use aya::{
    Ebpf,
    maps::{HashMap, MapData, PerCpuArray},
};
use monitor_common::probe::{Probe, Tally, counter_index};

use crate::model::container::CgroupId;

/// The per-CPU counters, summed.
pub struct Counters(PerCpuArray<MapData, u64>);

impl Counters {
    /// `None` where the object has no such map.
    pub fn open(ebpf: &mut Ebpf) -> Option<Self> {
        PerCpuArray::try_from(ebpf.take_map("COUNTERS")?).ok().map(Self)
    }

    /// The sum over all CPUs; 0 where the kernel does not answer.
    pub fn get(&self, probe: Probe, tally: Tally) -> u64 {
        self.0.get(&counter_index(probe, tally), 0).map_or(0, |values| values.iter().sum())
    }

    /// Events of a probe that the kernel side dropped.
    pub fn lost(&self, probe: Probe) -> u64 {
        self.get(probe, Tally::LostRingFull) + self.get(probe, Tally::LostUnreadable)
    }
}

/// The cgroups that the kernel side leaves alone.
pub struct Ignored(HashMap<MapData, u64, u8>);

impl Ignored {
    /// `None` where the object has no such map.
    pub fn open(ebpf: &mut Ebpf) -> Option<Self> {
        HashMap::try_from(ebpf.take_map("IGNORED_CGROUPS")?).ok().map(Self)
    }

    /// Cgroups set aside now.
    pub fn len(&self) -> u64 {
        self.0.keys().flatten().count() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Events of this cgroup stay in the kernel from now on. False where the map is full: the cgroup stays
    /// watched, which costs more and loses nothing.
    pub fn insert(&mut self, cgroup: CgroupId) -> bool {
        self.0.insert(cgroup.0, 1, 0).is_ok()
    }
}

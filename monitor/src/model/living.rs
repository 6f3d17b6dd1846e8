//! What a running container's processes and its CPU quota look like at one moment.

use serde::{Deserialize, Serialize};

/// The processes of a container, zombies among them, at most [`MAX_STATUSES`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessTable {
    pub processes: Vec<ProcessStatus>,
    /// Processes that found no room.
    pub left_out: u32,
}

/// Processes of one container that are looked at.
pub const MAX_STATUSES: usize = 256;

/// `/proc/PID/status`, proc(5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessStatus {
    /// In the host's pid namespace.
    pub pid: u32,
    /// In its own pid namespace; 0 if unknown.
    pub ns_pid: u32,
    /// In the host's pid namespace.
    pub parent_pid: u32,
    pub name: String,
    /// `State: Z`.
    pub is_zombie: bool,
    /// The effective one, in the host's user namespace.
    pub uid: u32,
    /// `SigIgn`, bit N-1 for signal N.
    pub ignored_signals: u64,
    /// `SigCgt`.
    pub caught_signals: u64,
    /// `SigBlk`.
    pub blocked_signals: u64,
}

/// `cpu.stat` of a container's cgroup, and its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStat {
    /// `nr_periods`: enforcement periods with something to run.
    pub periods: u64,
    /// `nr_throttled`: those in which the quota ran out.
    pub throttled: u64,
    pub throttled_us: u64,
}

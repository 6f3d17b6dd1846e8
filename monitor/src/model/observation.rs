//! All that the engine ever learns, one value at a time: the alphabet of recordings.

use serde::{Deserialize, Serialize};

use super::{
    container::Run,
    event::Event,
    fact::{Fact, Want},
    time::{BootEpoch, BootNs},
};

/// The machine that containers run on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// `e_machine` of the native architecture, elf(5); 0 if unknown.
    pub machine: u16,
    pub page_bytes: u64,
    /// `uname -r`.
    pub kernel: String,
}

/// Why events did not come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    #[default]
    RingFull,
    /// Their memory could not be read.
    Unreadable,
    /// The kernel left runs of the program out, because it was running on that CPU already. They may have been about
    /// nothing that gomon wants.
    Skipped,
}

/// One input of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// The machine that is observed; the first observation of every source.
    Host { at: BootNs, host: Host },
    /// A container's cgroup appeared. `from_birth` is false for one that was there before gomon looked.
    Appeared { run: Run, at: BootNs, from_birth: bool },
    /// A kernel event of a known container.
    Happened { run: Run, event: Event },
    /// Something learned from the container's files, its configuration or its runtime.
    Learned { run: Run, at: BootNs, fact: Box<Fact> },
    /// The container's cgroup is gone.
    Vanished { run: Run, at: BootNs },
    /// Time passes.
    Tick { at: BootNs },
    /// The machine slept for so long, up to about now: nobody could do anything.
    Slept { at: BootNs, ns: u64 },
    /// The wall clock was set: all times are told by it as it is now.
    ClockSet { at: BootNs, epoch: BootEpoch },
    /// Events of a probe were dropped; all answers that rest on it since are in doubt.
    Lost {
        at: BootNs,
        probe: String,
        count: u64,
        #[serde(default)]
        reason: Loss,
    },
    /// The kernel kept events of a flooding container back; it has `ended` when there were no more of late.
    KeptBack { run: Run, at: BootNs, probe: String, count: u64, ended: bool },
    /// A probe cannot see, and why.
    Blind { at: BootNs, probe: String, why: String },
}

impl Observation {
    /// When it was made.
    #[must_use]
    pub fn at(&self) -> BootNs {
        match self {
            Self::Happened { event, .. } => event.at,
            Self::Host { at, .. }
            | Self::Appeared { at, .. }
            | Self::Learned { at, .. }
            | Self::Vanished { at, .. }
            | Self::Tick { at }
            | Self::Slept { at, .. }
            | Self::ClockSet { at, .. }
            | Self::Lost { at, .. }
            | Self::KeptBack { at, .. }
            | Self::Blind { at, .. } => *at,
        }
    }
}

/// A question of the engine to the inspector, by value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wanted {
    pub run: Run,
    pub want: Want,
}

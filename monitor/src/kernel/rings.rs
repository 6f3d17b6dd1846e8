//! Reads both rings and puts their events into the order in which they happened.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use thiserror::Error;

use crate::{
    decode,
    model::{
        event::Event,
        time::{BootNs, MS},
    },
};

/// An event that is older than this when the rings are read was submitted long before: no older one can follow.
pub const SETTLE_NS: u64 = 2 * MS;
/// Events read in one go; the rest waits in the ring, where the kernel counts what no longer fits.
const BATCH: usize = 8192;

/// A ring of the object cannot be opened.
#[derive(Debug, Error)]
#[error("ring {0} is not in the object or cannot be mapped")]
pub struct RingError(&'static str);

/// Both rings.
pub struct Rings {
    precious: RingBuf<MapData>,
    ordinary: RingBuf<MapData>,
    /// Read but perhaps followed by an older event of the other ring; sorted.
    waiting: Vec<Event>,
    /// Records that did not decode.
    pub malformed: u64,
}

impl Rings {
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, RingError> {
        let mut ring = |name| {
            let map = ebpf.take_map(name).ok_or(RingError(name))?;
            RingBuf::try_from(map).map_err(|_| RingError(name))
        };
        Ok(Self {
            precious: ring("PRECIOUS")?,
            ordinary: ring("ORDINARY")?,
            waiting: Vec::new(),
            malformed: 0,
        })
    }

    /// A descriptor that becomes readable when a precious event arrives.
    pub fn wake_fd(&self) -> io::Result<OwnedFd> {
        self.precious.as_fd().try_clone_to_owned()
    }

    /// Some events were read but are too young to be handed out.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Events that happened before `now` less the settling time, in order. The precious ring is read first, so
    /// that every ordinary event that preceded a precious one is read with it.
    pub fn drain(&mut self, now: BootNs) -> Vec<Event> {
        for ring in [&mut self.precious, &mut self.ordinary] {
            for _ in 0..BATCH {
                let Some(item) = ring.next() else { break };
                match decode::event(&item) {
                    Ok(event) => self.waiting.push(event),
                    Err(_) => self.malformed += 1,
                }
            }
        }
        self.waiting.sort_by_key(|event| event.at);
        let settled = self.waiting.partition_point(|event| event.at.0 + SETTLE_NS <= now.0);
        let rest = self.waiting.split_off(settled);
        std::mem::replace(&mut self.waiting, rest)
    }
}

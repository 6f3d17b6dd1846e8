//! Reads both rings and puts their events into the order in which they happened.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use thiserror::Error;

use crate::{
    decode::Decoder,
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
    /// Read but perhaps followed by an older event of the other ring; sorted. Kept, so that its memory is.
    waiting: VecDeque<Event>,
    /// When the latest precious event among them happened.
    precious_at: Option<BootNs>,
    decoder: Decoder,
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
            waiting: VecDeque::new(),
            precious_at: None,
            decoder: Decoder::default(),
            malformed: 0,
        })
    }

    /// A descriptor that becomes readable when a precious event arrives.
    pub fn wake_fd(&self) -> io::Result<OwnedFd> {
        self.precious.as_fd().try_clone_to_owned()
    }

    /// Precious events were read but are too young to be handed out. Ordinary ones alone can wait for the next poll.
    pub fn is_urgent(&self) -> bool {
        self.precious_at.is_some()
    }

    /// Reads what is there. The precious ring comes first, so that every ordinary event that preceded a precious one is
    /// read with it.
    pub fn read(&mut self) {
        for (ring, is_precious) in [(&mut self.precious, true), (&mut self.ordinary, false)] {
            for _ in 0..BATCH {
                let Some(item) = ring.next() else { break };
                match self.decoder.event(&item) {
                    Ok(event) => {
                        self.precious_at = self.precious_at.max(is_precious.then_some(event.at));
                        self.waiting.push_back(event);
                    }
                    Err(_) => self.malformed += 1,
                }
            }
        }
        self.waiting.make_contiguous().sort_by_key(|event| event.at);
    }

    /// The next event that happened before `now` less the settling time.
    pub fn next_settled(&mut self, now: BootNs) -> Option<Event> {
        let event = self.waiting.pop_front_if(|event| event.at.0 + SETTLE_NS <= now.0)?;
        self.precious_at.take_if(|precious| *precious <= event.at);
        Some(event)
    }
}

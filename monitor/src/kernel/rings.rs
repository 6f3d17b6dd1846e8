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
use monitor_common::{
    limits::{ORDINARY_RING_BYTES, PRECIOUS_RING_BYTES},
    probe::Probe,
};
use thiserror::Error;

use super::fill::Fill;
use crate::{
    decode::{Decoder, self_test},
    model::{
        event::Event,
        time::{BootNs, MS},
    },
};

/// An event that is older than this when the rings are read was submitted long before: an older one follows only if
/// its program was interrupted for longer.
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
    /// Of both; none where the kernel does not show it.
    fills: [Option<Fill>; 2],
    /// Read but perhaps followed by an older event of the other ring; sorted. Kept, so that its memory is.
    waiting: VecDeque<Event>,
    /// When the latest precious event among them happened.
    precious_at: Option<BootNs>,
    /// A ring may hold more than was read; what it holds is not older than this.
    complete_until: Option<BootNs>,
    decoder: Decoder,
    /// Calls of gomon's own that came back.
    self_tests: Vec<BootNs>,
    /// Events that were read, by the number of their probe.
    received: [u64; Probe::ALL.len()],
    /// Records that did not decode.
    pub malformed: u64,
}

impl Rings {
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, RingError> {
        let mut ring = |name| {
            let map = ebpf.take_map(name).ok_or(RingError(name))?;
            RingBuf::try_from(map).map_err(|_| RingError(name))
        };
        let (precious, ordinary) = (ring("PRECIOUS")?, ring("ORDINARY")?);
        let fills = [&precious, &ordinary].map(|ring| Fill::of(ring.as_fd()).ok());
        Ok(Self {
            precious,
            ordinary,
            fills,
            waiting: VecDeque::new(),
            precious_at: None,
            complete_until: None,
            decoder: Decoder::default(),
            self_tests: Vec::new(),
            received: [0; Probe::ALL.len()],
            malformed: 0,
        })
    }

    /// Events that were read, by probe, and have been since the rings were opened.
    pub fn received(&self) -> impl Iterator<Item = (Probe, u64)> {
        Probe::ALL.into_iter().zip(self.received)
    }

    /// Events that were read and wait for older ones.
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    /// Descriptors that become readable when a precious event arrives, and when ordinary ones fill a quarter of their
    /// ring.
    pub fn wake_fds(&self) -> io::Result<[OwnedFd; 2]> {
        Ok([self.precious.as_fd().try_clone_to_owned()?, self.ordinary.as_fd().try_clone_to_owned()?])
    }

    /// Bytes that wait in each ring, and its size.
    pub fn fills(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let sizes = [("PRECIOUS", PRECIOUS_RING_BYTES), ("ORDINARY", ORDINARY_RING_BYTES)];
        let known = self.fills.iter().zip(sizes);
        known.filter_map(|(fill, (name, size))| Some((name, fill.as_ref()?.bytes(), size.into())))
    }

    /// Precious events were read but are too young to be handed out. Ordinary ones alone can wait for the next poll.
    pub fn is_urgent(&self) -> bool {
        self.precious_at.is_some() || self.complete_until.is_some()
    }

    /// Reads what is there. The precious ring comes first, so that every ordinary event that preceded a precious one is
    /// read with it.
    pub fn read(&mut self) {
        self.complete_until = None;
        for (ring, is_precious) in [(&mut self.precious, true), (&mut self.ordinary, false)] {
            let (mut count, mut last) = (0, None);
            while count < BATCH {
                let Some(item) = ring.next() else { break };
                count += 1;
                if let Some(at) = self_test(&item) {
                    self.self_tests.push(at);
                    count_one(&mut self.received, Probe::SelfTest);
                    continue;
                }
                match self.decoder.event(&item) {
                    Ok(event) => {
                        count_one(&mut self.received, event.kind.probe());
                        last = Some(event.at);
                        self.precious_at = self.precious_at.max(is_precious.then_some(event.at));
                        self.waiting.push_back(event);
                    }
                    Err(_) => self.malformed += 1,
                }
            }
            if count == BATCH {
                self.complete_until = earlier(self.complete_until, last);
            }
        }
        self.waiting.make_contiguous().sort_by_key(|event| event.at);
    }

    /// When gomon's own calls were made that came back since somebody asked.
    pub fn take_self_tests(&mut self) -> Vec<BootNs> {
        std::mem::take(&mut self.self_tests)
    }

    /// The next event that happened before `now` less the settling time.
    pub fn next_settled(&mut self, now: BootNs) -> Option<Event> {
        let until = settled_until(now, self.complete_until);
        let event = self.waiting.pop_front_if(|event| event.at <= until)?;
        self.precious_at.take_if(|precious| *precious <= event.at);
        Some(event)
    }
}

fn count_one(received: &mut [u64], probe: Probe) {
    if let Some(received) = received.get_mut(probe as usize) {
        *received += 1;
    }
}

fn earlier(one: Option<BootNs>, other: Option<BootNs>) -> Option<BootNs> {
    [one, other].into_iter().flatten().min()
}

/// Up to this time no event is missing: the settling time is over, and no ring holds back an older one.
fn settled_until(now: BootNs, complete_until: Option<BootNs>) -> BootNs {
    let settled = BootNs(now.0.saturating_sub(SETTLE_NS));
    complete_until.map_or(settled, |until| until.min(settled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_what_a_full_ring_still_holds() {
        let now = BootNs(100 * MS);
        assert_eq!(settled_until(now, None), BootNs(98 * MS));
        assert_eq!(settled_until(now, Some(BootNs(50 * MS))), BootNs(50 * MS));
        assert_eq!(settled_until(now, Some(BootNs(99 * MS))), BootNs(98 * MS));
        assert_eq!(earlier(Some(BootNs(7)), Some(BootNs(3))), Some(BootNs(3)));
        assert_eq!(earlier(None, Some(BootNs(3))), Some(BootNs(3)));
    }
}

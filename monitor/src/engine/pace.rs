//! How often the patterns are asked about one run: at each event that may complete one, until its events come in a flood.
//! Pure.

use crate::model::time::{BootNs, MS};

/// Time is cut into windows so long.
const WINDOW_NS: u64 = 250 * MS;
/// Events of a run in one window at each of which its patterns are asked. All that come behind them are judged together
/// when the window is over: they are remembered, and only the asking is dear.
const AT_ONCE: u32 = 32;

/// What one run has used up of a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    window: u64,
    asked: u32,
}

impl Pace {
    /// Takes an event into account. `None`: its patterns are asked now; else when.
    pub(super) fn take(&mut self, at: BootNs) -> Option<BootNs> {
        let window = at.0 / WINDOW_NS;
        if window > self.window {
            *self = Self { window, asked: 0 };
        }
        if self.asked < AT_ONCE {
            self.asked += 1;
            return None;
        }
        Some(BootNs((self.window + 1).saturating_mul(WINDOW_NS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_flood_are_judged_together_when_the_window_is_over() {
        let mut pace = Pace::default();
        let at = |ms: u64| BootNs(ms * MS);
        assert!((0..AT_ONCE).all(|_| pace.take(at(1_010)).is_none()));
        assert_eq!(pace.take(at(1_011)), Some(at(1_250)));
        assert_eq!(pace.take(at(990)), Some(at(1_250)), "a straggler opens no window of its own");
        assert_eq!(pace.take(at(1_250)), None);
    }
}
